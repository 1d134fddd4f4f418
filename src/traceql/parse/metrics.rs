//! Metrics: what makes numbers over time of spans, what is done with them, and calculating with them.

use super::pipeline::Piece;
use super::{EXPECTED_REFERENCE, Grown, Parsed, Parser};
use crate::model::UnixNanos;
use crate::traceql::error::{QueryError, shown};
use crate::traceql::lex::Token;
use crate::traceql::tree::{
    Arithmetic, Column, Compare, Comparison, Literal, Math, Metrics, MetricsFunction, MetricsSource, Pipeline,
    Reference, Scalar, SecondStage, SpanMetrics,
};

impl Parser<'_> {
    /// A metrics function over spans, and what is done with its series.
    pub(super) fn span_metrics(&mut self, spans: Grown<Pipeline>) -> Parsed<Metrics> {
        let column = self.peek().column;
        let function = self.metrics_function()?;
        let by = if self.take_word("by") { self.references()? } else { Vec::new() };
        let source = SpanMetrics { spans: spans.part, column: Column(column), function: function.part, by };
        let metrics = Metrics { source: MetricsSource::Spans(source), then: Vec::new() };
        let metrics = self.grown(metrics, spans.levels.max(function.levels), column)?;
        self.second_stages(metrics)
    }

    fn metrics_function(&mut self) -> Parsed<MetricsFunction> {
        let word = self.word().unwrap_or_default();
        self.advance();
        self.expect("(")?;
        if word == "compare" {
            let function = self.compare_arguments()?;
            self.expect(")")?;
            return Ok(function.map(|compare| MetricsFunction::Compare(Box::new(compare))));
        }
        let function = match word {
            "rate" => MetricsFunction::Rate,
            "count_over_time" => MetricsFunction::Count,
            "quantile_over_time" => MetricsFunction::Quantile(self.measured()?, self.quantiles()?),
            "min_over_time" => MetricsFunction::Min(self.measured()?),
            "max_over_time" => MetricsFunction::Max(self.measured()?),
            "avg_over_time" => MetricsFunction::Average(self.measured()?),
            "sum_over_time" => MetricsFunction::Sum(self.measured()?),
            _ => MetricsFunction::Histogram(self.measured()?),
        };
        self.expect(")")?;
        Ok(Grown::leaf(function))
    }

    /// The attribute or intrinsic that a function measures.
    fn measured(&mut self) -> Result<Reference, QueryError> {
        self.reference()?.ok_or_else(|| self.unexpected(EXPECTED_REFERENCE))
    }

    /// `, .5, .9`: at least one.
    fn quantiles(&mut self) -> Result<Vec<f64>, QueryError> {
        let mut quantiles = Vec::new();
        while self.take(",") {
            let quantile = match self.peek().token {
                Token::Int(0) => 0.0,
                Token::Int(1) => 1.0,
                Token::Float(value) if (0.0..=1.0).contains(&value) => value,
                _ => return Err(self.unexpected("a quantile between 0 and 1")),
            };
            self.advance();
            self.count_part()?;
            quantiles.push(quantile);
        }
        if quantiles.is_empty() { Err(self.unexpected(", and a quantile such as .95")) } else { Ok(quantiles) }
    }

    /// `{ … }, 10, start, end`
    fn compare_arguments(&mut self) -> Parsed<Compare> {
        let selection = self.filter_field()?;
        let (selection, levels) = selection.map_or((None, 1), |field| (Some(field.part), field.levels));
        let values_max =
            if self.take(",") { Some(self.whole("how many values are shown, at least 1", 1)?) } else { None };
        let mut window = None;
        if self.take(",") {
            let start = self.whole("the selection's start in nanoseconds", 0)?;
            self.expect(",")?;
            let end = self.whole("the selection's end in nanoseconds, after its start", start.saturating_add(1))?;
            window = Some((UnixNanos(start), UnixNanos(end)));
        }
        Ok(Grown { part: Compare { selection, values_max, window }, levels })
    }

    /// A whole number without sign.
    fn whole(&mut self, expected: &str, min: u64) -> Result<u64, QueryError> {
        let Token::Int(value) = self.peek().token else {
            return Err(self.unexpected(expected));
        };
        if value < min {
            return Err(self.unexpected(expected));
        }
        self.advance();
        self.count_part()?;
        Ok(value)
    }

    /// `| topk(10)`, `> 1` and so on, as many as there are.
    pub(super) fn second_stages(&mut self, mut metrics: Grown<Metrics>) -> Parsed<Metrics> {
        loop {
            let stage = if self.take("|") {
                self.top_or_bottom()?
            } else if let Some(comparison) = self.symbol().and_then(Comparison::from_symbol) {
                self.advance();
                SecondStage::Filter(comparison, self.threshold()?)
            } else {
                return Ok(metrics);
            };
            self.count_part()?;
            metrics.part.then.push(stage);
        }
    }

    fn top_or_bottom(&mut self) -> Result<SecondStage, QueryError> {
        let stage = match self.word() {
            Some("topk") => SecondStage::Top,
            Some("bottomk") => SecondStage::Bottom,
            _ => return Err(self.unexpected("topk(…) or bottomk(…)")),
        };
        self.advance();
        self.expect("(")?;
        let series = self.whole("how many series, at least 1", 1)?;
        self.expect(")")?;
        Ok(stage(series))
    }

    fn threshold(&mut self) -> Result<Literal, QueryError> {
        let error = self.unexpected("a number or a duration");
        match self.literal()? {
            Some(number @ (Literal::Int(_) | Literal::Float(_) | Literal::Duration(_))) => Ok(number),
            _ => Err(error),
        }
    }
}

/// What an operator makes of metrics and numbers.
pub(super) fn combine(left: Piece, symbol: &str, right: Piece, column: usize) -> Result<Piece, QueryError> {
    if Comparison::from_symbol(symbol).is_some() {
        let Piece::Math(math) = left else {
            return Err(QueryError::unexpected(
                column,
                shown(symbol),
                "metrics before a comparison, a number after it",
            ));
        };
        return compare(Metrics { source: MetricsSource::Math(math), then: Vec::new() }, symbol, right, column);
    }
    match Arithmetic::from_symbol(symbol) {
        Some(operator @ (Arithmetic::Modulo | Arithmetic::Power)) => {
            Err(QueryError::not_supported(column, format!("{} between metrics", operator.symbol())))
        }
        Some(operator) => {
            let (left, right) = (math(left, column)?, math(right, column)?);
            Ok(Piece::Math(Math::Binary(operator, Box::new(left), Box::new(right))))
        }
        None => Err(QueryError::unexpected(column, shown(symbol), "+, -, *, / or a comparison after metrics")),
    }
}

/// Metrics that are compared with a number.
pub(super) fn compare(mut metrics: Metrics, symbol: &str, right: Piece, column: usize) -> Result<Piece, QueryError> {
    match (Comparison::from_symbol(symbol), right) {
        (Some(comparison), Piece::Scalar(Scalar::Literal(number))) => {
            metrics.then.push(SecondStage::Filter(comparison, number));
            Ok(Piece::Compared(Box::new(metrics)))
        }
        _ => Err(QueryError::unexpected(column, shown(symbol), "a comparison of metrics with one number")),
    }
}

/// A piece as something to calculate series with.
fn math(piece: Piece, column: usize) -> Result<Math, QueryError> {
    match piece {
        Piece::Math(math) => Ok(math),
        Piece::Scalar(scalar) => number(scalar, column),
        _ => Err(QueryError::wrong(column, "metrics can only be calculated with metrics and numbers")),
    }
}

fn number(scalar: Scalar, column: usize) -> Result<Math, QueryError> {
    match scalar {
        Scalar::Literal(literal) => Ok(Math::Number(literal)),
        Scalar::Arithmetic(operator @ (Arithmetic::Modulo | Arithmetic::Power), ..) => {
            Err(QueryError::not_supported(column, format!("{} between metrics", operator.symbol())))
        }
        Scalar::Arithmetic(operator, left, right) => {
            Ok(Math::Binary(operator, Box::new(number(*left, column)?), Box::new(number(*right, column)?)))
        }
        Scalar::Aggregate(_) => Err(QueryError::wrong(column, "metrics can not be calculated with aggregates")),
    }
}
