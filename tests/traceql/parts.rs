//! The kinds of parts that a query's tree is made of, by name: every variant of its enums that has no table of words. The
//! matches have no `_`, so that a new variant does not compile before it has a name here.

use std::collections::BTreeSet;

use tracewell::traceql::Query;
use tracewell::traceql::tree::{
    Aggregate, Arithmetic, Body, Field, Literal, Math, Metrics, MetricsFunction, MetricsSource, Pipeline, Reference,
    Scalar, SecondStage, SpansetExpression, Stage, Term,
};

/// All that there are.
pub(crate) fn all() -> BTreeSet<String> {
    let names = "traces metrics | spansets filter by coalesce select | braces everything spansets&& spansets|| structural \
        pipeline | literal reference not minus field&& field|| compare match notmatch arithmetic | nil bool int float text \
        duration status kind | attribute intrinsic | scalar-literal aggregate scalar-arithmetic | count aggregate-of | \
        spans math | number math-metrics math-binary + - * / | top bottom samples | by-metrics hint | rate count-over-time \
        min max average sum quantile histogram compare-spans values_max";
    names.split_whitespace().filter(|name| *name != "|").map(str::to_owned).collect()
}

/// Those of a query.
pub(crate) fn of_query(query: &Query) -> BTreeSet<String> {
    let mut parts = Parts(BTreeSet::new());
    match &query.body {
        Body::Traces(pipeline) => {
            parts.add("traces");
            parts.pipeline(pipeline);
        }
        Body::Metrics(metrics) => {
            parts.add("metrics");
            parts.metrics(metrics);
        }
    }
    if !query.hints.is_empty() {
        parts.add("hint");
    }
    parts.0
}

struct Parts(BTreeSet<String>);

impl Parts {
    fn add(&mut self, name: &str) {
        self.0.insert(name.to_owned());
    }

    fn pipeline(&mut self, pipeline: &Pipeline) {
        for stage in &pipeline.stages {
            match stage {
                Stage::Spansets(expression) => {
                    self.add("spansets");
                    self.spansets(expression);
                }
                Stage::Filter(filter) => {
                    self.add("filter");
                    self.scalar(&filter.left);
                    self.scalar(&filter.right);
                }
                Stage::By(field) => {
                    self.add("by");
                    self.field(field);
                }
                Stage::Coalesce => self.add("coalesce"),
                Stage::Select(references) => {
                    self.add("select");
                    for reference in references {
                        self.reference(reference);
                    }
                }
            }
        }
    }

    fn spansets(&mut self, expression: &SpansetExpression) {
        match expression {
            SpansetExpression::Filter(Some(field)) => {
                self.add("braces");
                self.field(field);
            }
            SpansetExpression::Filter(None) => self.add("everything"),
            SpansetExpression::All(operands) => {
                self.add("spansets&&");
                for operand in operands {
                    self.spansets(operand);
                }
            }
            SpansetExpression::Any(operands) => {
                self.add("spansets||");
                for operand in operands {
                    self.spansets(operand);
                }
            }
            SpansetExpression::Structural(_, _, left, right) => {
                self.add("structural");
                self.spansets(left);
                self.spansets(right);
            }
            SpansetExpression::Pipeline(pipeline) => {
                self.add("pipeline");
                self.pipeline(pipeline);
            }
        }
    }

    fn field(&mut self, field: &Field) {
        let (name, within): (_, Vec<&Field>) = match &field.term {
            Term::Literal(literal) => {
                self.literal(literal);
                ("literal", vec![])
            }
            Term::Reference(reference) => {
                self.reference(reference);
                ("reference", vec![])
            }
            Term::Not(inner) => ("not", vec![inner]),
            Term::Minus(inner) => ("minus", vec![inner]),
            Term::All(operands) => ("field&&", operands.iter().collect()),
            Term::Any(operands) => ("field||", operands.iter().collect()),
            Term::Compare(_, left, right) => ("compare", vec![left, right]),
            Term::Match { negated: false, value, .. } => ("match", vec![value]),
            Term::Match { negated: true, value, .. } => ("notmatch", vec![value]),
            Term::Arithmetic(_, left, right) => ("arithmetic", vec![left, right]),
        };
        self.add(name);
        for field in within {
            self.field(field);
        }
    }

    fn literal(&mut self, literal: &Literal) {
        self.add(match literal {
            Literal::Nil => "nil",
            Literal::Bool(_) => "bool",
            Literal::Int(_) => "int",
            Literal::Float(_) => "float",
            Literal::Text(_) => "text",
            Literal::Duration(_) => "duration",
            Literal::Status(_) => "status",
            Literal::Kind(_) => "kind",
        });
    }

    fn reference(&mut self, reference: &Reference) {
        self.add(match reference {
            Reference::Attribute { .. } => "attribute",
            Reference::Intrinsic(_) => "intrinsic",
        });
    }

    fn scalar(&mut self, scalar: &Scalar) {
        match scalar {
            Scalar::Literal(_) => self.add("scalar-literal"),
            Scalar::Aggregate(aggregate) => {
                self.add("aggregate");
                match aggregate {
                    Aggregate::Count => self.add("count"),
                    Aggregate::Of(_, field) => {
                        self.add("aggregate-of");
                        self.field(field);
                    }
                }
            }
            Scalar::Arithmetic(_, left, right) => {
                self.add("scalar-arithmetic");
                self.scalar(left);
                self.scalar(right);
            }
        }
    }

    fn metrics(&mut self, metrics: &Metrics) {
        match &metrics.source {
            MetricsSource::Spans(spans) => {
                self.add("spans");
                self.pipeline(&spans.spans);
                self.function(&spans.function);
                if !spans.by.is_empty() {
                    self.add("by-metrics");
                }
            }
            MetricsSource::Math(math) => {
                self.add("math");
                self.math(math);
            }
        }
        for stage in &metrics.then {
            self.add(match stage {
                SecondStage::Top(_) => "top",
                SecondStage::Bottom(_) => "bottom",
                SecondStage::Filter(..) => "samples",
            });
        }
    }

    fn function(&mut self, function: &MetricsFunction) {
        let name = match function {
            MetricsFunction::Rate => "rate",
            MetricsFunction::Count => "count-over-time",
            MetricsFunction::Min(_) => "min",
            MetricsFunction::Max(_) => "max",
            MetricsFunction::Average(_) => "average",
            MetricsFunction::Sum(_) => "sum",
            MetricsFunction::Quantile(..) => "quantile",
            MetricsFunction::Histogram(_) => "histogram",
            MetricsFunction::Compare(compare) => {
                if compare.values_max.is_some() {
                    self.add("values_max");
                }
                "compare-spans"
            }
        };
        self.add(name);
    }

    fn math(&mut self, math: &Math) {
        match math {
            Math::Number(_) => self.add("number"),
            Math::Metrics(metrics) => {
                self.add("math-metrics");
                self.metrics(metrics);
            }
            Math::Binary(operator, left, right) => {
                self.add("math-binary");
                self.add(match operator {
                    Arithmetic::Add => "+",
                    Arithmetic::Subtract => "-",
                    Arithmetic::Multiply => "*",
                    Arithmetic::Divide => "/",
                    Arithmetic::Modulo | Arithmetic::Power => unreachable!("refused"),
                });
                self.math(left);
                self.math(right);
            }
        }
    }
}
