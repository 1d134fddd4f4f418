//! Pipelines: spansets, aggregates and stages, and what is in parentheses between pipes.
//!
//! `(` may open spansets, a pipeline, aggregates or metrics, and `>` may relate spans or compare numbers. So all of
//! them are read alike, as [`Piece`]s between operators, and what an operator means is decided by what it stands
//! between.

use super::precedence::{Operand, Operator, Prefix};
use super::{Grown, Parsed, Parser};
use crate::traceql::error::{QueryError, shown};
use crate::traceql::tree::{
    Aggregate, AggregateFunction, Arithmetic, Column, Comparison, Field, Literal, Math, Metrics, MetricsFunction,
    MetricsSource, Pipeline, Scalar, ScalarFilter, SpansetExpression, Stage, StructuralOperator,
};

/// What was read up to the end, or up to a closing parenthesis.
pub(super) enum Chain {
    Spans(Grown<Pipeline>),
    Scalar(Grown<Scalar>),
    Metrics(Grown<Metrics>),
}

/// What operators outside of braces stand between, or make.
pub(super) enum Piece {
    Spansets(SpansetExpression),
    Scalar(Scalar),
    Filter(ScalarFilter),
    Math(Math),
    /// Metrics that have been compared with a number.
    Compared(Box<Metrics>),
}

/// What stands between pipes: a stage, or a piece that is none.
enum Item {
    Stage(Stage),
    Piece(Piece),
}

const EXPECTED_PIECE: &str = "{ … }, an aggregate such as count(), by(…), select(…) or a parenthesis";

impl Parser<'_> {
    /// Stages joined by `|`, up to the end or a closing parenthesis. This, [`Self::stage`], [`Self::expression`] and
    /// [`Self::group`] call one another, once for each parenthesis: they are kept small, for the stack's sake.
    pub(super) fn chain(&mut self) -> Result<Chain, QueryError> {
        let column = self.peek().column;
        let first = self.stage()?;
        self.chain_from(first, column)
    }

    fn chain_from(&mut self, first: Grown<Item>, column: usize) -> Result<Chain, QueryError> {
        let Grown { part, levels } = first;
        let metrics = match part {
            Item::Stage(Stage::Coalesce) => {
                return Err(QueryError::wrong(column, "coalesce() needs a stage before it"));
            }
            Item::Stage(stage) => return self.chain_after(stage, levels),
            Item::Piece(Piece::Scalar(scalar)) => return Ok(Chain::Scalar(Grown { part: scalar, levels })),
            Item::Piece(Piece::Math(math)) => Metrics { source: MetricsSource::Math(math), then: Vec::new() },
            Item::Piece(Piece::Compared(metrics)) => *metrics,
            Item::Piece(_) => return Err(self.unexpected(EXPECTED_PIECE)),
        };
        self.second_stages(Grown { part: metrics, levels }).map(Chain::Metrics)
    }

    /// The stages after the first one.
    fn chain_after(&mut self, first: Stage, mut levels: usize) -> Result<Chain, QueryError> {
        let mut stages = vec![first];
        while self.take("|") {
            if self.word().is_some_and(|word| MetricsFunction::WORDS.contains(&word)) {
                let spans = Grown { part: Pipeline { stages }, levels };
                return self.span_metrics(spans).map(Chain::Metrics);
            }
            let column = self.peek().column;
            let item = self.stage()?;
            levels = levels.max(item.levels);
            match item.part {
                Item::Stage(stage) => stages.push(stage),
                Item::Piece(Piece::Scalar(_)) if self.is(")") => {
                    return Err(QueryError::not_supported(column, "comparing the aggregates of pipelines"));
                }
                Item::Piece(Piece::Scalar(_)) => return Err(self.unexpected("a comparison, as in count() > 2")),
                Item::Piece(_) => {
                    return Err(QueryError::wrong(column, "metrics can only stand at the beginning of a query"));
                }
            }
        }
        let column = self.peek().column;
        self.grown(Pipeline { stages }, levels, column).map(Chain::Spans)
    }

    /// What stands between pipes.
    fn stage(&mut self) -> Parsed<Item> {
        match self.word() {
            Some("by" | "select" | "coalesce") => self.stage_of_word(),
            _ => self.expression().map(item),
        }
    }

    fn stage_of_word(&mut self) -> Parsed<Item> {
        if self.word() == Some("select") {
            self.advance();
            return Ok(Grown::leaf(Item::Stage(Stage::Select(self.references()?))));
        }
        let is_coalesce = self.word() == Some("coalesce");
        self.advance();
        self.expect("(")?;
        let field = if is_coalesce { None } else { Some(self.field()?) };
        self.expect(")")?;
        Ok(match field {
            None => Grown::leaf(Item::Stage(Stage::Coalesce)),
            Some(field) => field.map(|field| Item::Stage(Stage::By(field))),
        })
    }

    fn spanset_filter(&mut self) -> Parsed<SpansetExpression> {
        let field = self.filter_field()?;
        let (part, levels) = field.map_or((None, 0), |field| (Some(field.part), field.levels));
        let column = self.peek().column;
        self.grown(SpansetExpression::Filter(part), levels, column)
    }

    /// `{ }`, or `{ … }` with an expression.
    pub(super) fn filter_field(&mut self) -> Result<Option<Grown<Field>>, QueryError> {
        self.expect("{")?;
        if self.take("}") {
            return Ok(None);
        }
        let field = self.field()?;
        if !self.take("}") {
            return Err(self.unexpected("an operator or }"));
        }
        Ok(Some(field))
    }

    /// What is in parentheses.
    fn group(&mut self) -> Parsed<Piece> {
        self.advance();
        let chain = self.nested(Self::chain)?;
        if self.take(")") { Ok(grouped(chain)) } else { Err(self.unexpected("an operator, | or )")) }
    }

    /// A number or an aggregate.
    fn scalar_operand(&mut self) -> Parsed<Piece> {
        let column = self.peek().column;
        if let Some(literal) = self.literal()? {
            return match literal {
                Literal::Int(_) | Literal::Float(_) | Literal::Duration(_) => {
                    Ok(Grown::leaf(Piece::Scalar(Scalar::Literal(literal))))
                }
                _ => Err(QueryError::wrong(column, "outside of braces only numbers and durations can be values")),
            };
        }
        let word = self.word().unwrap_or_default();
        if MetricsFunction::WORDS.contains(&word) {
            return Err(self.unexpected(format!("spans before it, as in {{ }} | {word}(…)")));
        }
        if self.take_word("count") {
            self.expect("(")?;
            self.expect(")")?;
            return self.grown(Piece::Scalar(Scalar::Aggregate(Aggregate::Count)), 0, column);
        }
        let Some((function, _)) = AggregateFunction::WORDS.into_iter().find(|(_, known)| *known == word) else {
            return Err(self.unexpected(EXPECTED_PIECE));
        };
        self.advance();
        self.expect("(")?;
        let field = self.field()?;
        self.expect(")")?;
        let aggregate = Aggregate::Of(function, Box::new(field.part));
        self.grown(Piece::Scalar(Scalar::Aggregate(aggregate)), field.levels, column)
    }
}

impl Operand for Piece {
    const PREFIX: Option<Prefix<Self>> = None;

    fn read(parser: &mut Parser<'_>) -> Parsed<Self> {
        match parser.symbol() {
            Some("{") => parser.spanset_filter().map(|filter| filter.map(Self::Spansets)),
            Some("(") => parser.group(),
            _ => parser.scalar_operand(),
        }
    }

    fn is_operator(_: &str, _: u8) -> bool {
        true
    }

    fn combined(
        parser: &mut Parser<'_>,
        left: Grown<Self>,
        operator: Operator,
        right: Grown<Self>,
        joined: bool,
    ) -> Parsed<Self> {
        let levels = if joined { left.levels.saturating_sub(1) } else { left.levels }.max(right.levels);
        let part = combine(left.part, operator.symbol, right.part, joined, operator.column)?;
        parser.grown(part, levels, operator.column)
    }
}

fn item(piece: Grown<Piece>) -> Grown<Item> {
    piece.map(|piece| match piece {
        Piece::Spansets(spansets) => Item::Stage(Stage::Spansets(spansets)),
        Piece::Filter(filter) => Item::Stage(Stage::Filter(filter)),
        other => Item::Piece(other),
    })
}

/// What was in parentheses, as something that operators stand between.
fn grouped(chain: Chain) -> Grown<Piece> {
    match chain {
        Chain::Spans(pipeline) => pipeline.map(|pipeline| Piece::Spansets(unwrapped(pipeline))),
        Chain::Scalar(scalar) => scalar.map(Piece::Scalar),
        Chain::Metrics(metrics) => metrics.map(|metrics| match metrics {
            Metrics { source: MetricsSource::Math(math), then } if then.is_empty() => Piece::Math(math),
            other => Piece::Math(Math::Metrics(Box::new(other))),
        }),
    }
}

/// A pipeline in parentheses that is one spanset expression is just that.
fn unwrapped(mut pipeline: Pipeline) -> SpansetExpression {
    match (pipeline.stages.pop(), pipeline.stages.is_empty()) {
        (Some(Stage::Spansets(spansets)), true) => spansets,
        (last, _) => {
            pipeline.stages.extend(last);
            SpansetExpression::Pipeline(pipeline)
        }
    }
}

/// What an operator makes of the pieces that it stands between.
fn combine(left: Piece, symbol: &str, right: Piece, joined: bool, column: usize) -> Result<Piece, QueryError> {
    let mismatch = |expected: &str| Err(QueryError::unexpected(column, shown(symbol), expected));
    match (left, right) {
        (Piece::Spansets(left), Piece::Spansets(right)) => match spansets(left, symbol, right, joined, column) {
            Some(spansets) => Ok(Piece::Spansets(spansets)),
            None => mismatch("&&, || or a structural operator between spansets"),
        },
        (Piece::Scalar(left), Piece::Scalar(right)) => {
            if let Some(operator) = Arithmetic::from_symbol(symbol) {
                return Ok(Piece::Scalar(Scalar::Arithmetic(operator, Box::new(left), Box::new(right))));
            }
            match Comparison::from_symbol(symbol) {
                Some(comparison) => Ok(Piece::Filter(ScalarFilter { column: Column(column), comparison, left, right })),
                None => mismatch("arithmetic or a comparison between aggregates"),
            }
        }
        (left @ (Piece::Math(_) | Piece::Scalar(_)), right @ (Piece::Math(_) | Piece::Scalar(_))) => {
            super::metrics::combine(left, symbol, right, column)
        }
        (Piece::Compared(metrics), right @ Piece::Scalar(_)) => {
            super::metrics::compare(*metrics, symbol, right, column)
        }
        (Piece::Filter(_), _) => mismatch("| or the end of the query after a comparison"),
        (_, Piece::Filter(_)) => mismatch("| before an aggregate"),
        _ => mismatch("spansets on both sides, aggregates and numbers, or metrics and numbers"),
    }
}

fn spansets(
    left: SpansetExpression,
    symbol: &str,
    right: SpansetExpression,
    joined: bool,
    column: usize,
) -> Option<SpansetExpression> {
    match (symbol, left) {
        ("&&", SpansetExpression::All(mut all)) if joined => {
            all.push(right);
            Some(SpansetExpression::All(all))
        }
        ("||", SpansetExpression::Any(mut any)) if joined => {
            any.push(right);
            Some(SpansetExpression::Any(any))
        }
        ("&&", left) => Some(SpansetExpression::All(vec![left, right])),
        ("||", left) => Some(SpansetExpression::Any(vec![left, right])),
        (_, left) => {
            let operator = StructuralOperator::from_symbol(symbol)?;
            Some(SpansetExpression::Structural(operator, Column(column), Box::new(left), Box::new(right)))
        }
    }
}
