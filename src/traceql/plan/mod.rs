//! What can be said of a query's answer before there are spans: how to leave out what it can not find, and how much of a
//! trace has to be there to know.
//!
//! Everything here is implied by the query and may be weaker than it: whoever goes by a plan evaluates what is left.
//!
//! ```text
//!  known     facts joined by "all" and "one of"        implied   what is known when an expression is true
//!  on_span   facts of one span: a model::Filter        on_trace  facts of a trace's summary
//!  reach     whether one span is enough                on_summary   what a summary tells of a trace's spans
//!  show      a filter as text of the language          outline   what of a span is looked at
//! ```

mod implied;
mod known;
mod on_span;
mod on_summary;
mod on_trace;
mod outline;
mod range;
mod reach;
mod show;

pub use known::Known;
pub use on_trace::TraceCondition;
pub use reach::Reach;
pub use show::text_of;

use super::tree::{Pipeline, SpansetExpression, Stage, StructuralResult};
use crate::model::{Condition, Filter, Parts, TraceSummary};

/// What is known of the answer of a pipeline.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Holds on every span that is found, that is, on those of the last spansets.
    pub found: Filter,
    /// Each of these holds on some span of every trace that matches; it need not be one that is found.
    pub needed: Vec<Filter>,
    /// Holds of every trace that matches.
    pub trace: Known<TraceCondition>,
    /// How much of a trace decides about one of its spans.
    pub reach: Reach,
    /// When a span in outline decides about itself, the parts of it that have to be there.
    pub outline: Option<Parts>,
}

impl Plan {
    /// The plan of a pipeline.
    #[must_use]
    pub fn of(pipeline: &Pipeline) -> Self {
        let Answer { found, mut needed, trace } = Answer::of_pipeline(pipeline);
        needed.extend(on_trace::needed(&trace));
        let needed = needed.into_iter().filter(|needed| !needed.is_everything()).map(Filter::from).collect();
        let (reach, outline) = (Reach::of_pipeline(pipeline), outline::of_pipeline(pipeline));
        Self { found: found.into(), needed, trace, reach, outline }
    }

    /// Whether a trace of which this is known may match.
    #[must_use]
    pub fn may_match(&self, summary: &TraceSummary) -> bool {
        let mut somewhere = self.needed.iter().chain([&self.found]);
        self.trace.holds(&|condition| condition.matches(summary))
            && somewhere.all(|filter| on_summary::may_have(summary, filter))
    }

    /// What of the query leaves spans out before they are looked at, as text of the language; empty when nothing does.
    #[must_use]
    pub fn pushed_down(&self) -> String {
        text_of(&self.found)
    }
}

/// What is known when a part of a pipeline has an answer.
#[derive(Default)]
struct Answer {
    /// Of each of its spans.
    found: Known<Condition>,
    /// Of some span each.
    needed: Vec<Known<Condition>>,
    /// Of the trace.
    trace: Known<TraceCondition>,
}

impl Answer {
    /// Stages take spans away, and never add one.
    fn of_pipeline(pipeline: &Pipeline) -> Self {
        let answers = pipeline.stages.iter().filter_map(|stage| match stage {
            Stage::Spansets(expression) => Some(Self::of(expression)),
            Stage::Filter(_) | Stage::By(_) | Stage::Coalesce | Stage::Select(_) => None,
        });
        answers.fold(Self::default(), |before, after| Self {
            found: Known::all([before.found, after.found]),
            needed: [before.needed, after.needed].concat(),
            trace: Known::all([before.trace, after.trace]),
        })
    }

    fn of(expression: &SpansetExpression) -> Self {
        match expression {
            SpansetExpression::Filter(None) => Self::default(),
            SpansetExpression::Filter(Some(field)) => {
                Self { found: implied::by(field), needed: Vec::new(), trace: implied::by(field) }
            }
            SpansetExpression::All(operands) => Self::all(operands.iter().map(Self::of)),
            SpansetExpression::Any(operands) => Self::one_of(operands.iter().map(Self::of).collect()),
            SpansetExpression::Structural(operator, _, left, right) => match operator.result {
                StructuralResult::Related => {
                    let found = Self::of(right).found;
                    Self { found, ..Self::all([Self::of(left), Self::of(right)]) }
                }
                StructuralResult::Unrelated => Self::of(right),
                StructuralResult::Both => Self::all([Self::of(left), Self::of(right)]),
            },
            SpansetExpression::Pipeline(pipeline) => Self::of_pipeline(pipeline),
        }
    }

    /// Each part has an answer, and a span is in one of them.
    fn all(parts: impl IntoIterator<Item = Self>) -> Self {
        let (mut found, mut needed, mut trace) = (Vec::new(), Vec::new(), Vec::new());
        for part in parts {
            needed.push(part.found.clone());
            needed.extend(part.needed);
            found.push(part.found);
            trace.push(part.trace);
        }
        Self { found: Known::one_of(found), needed, trace: Known::all(trace) }
    }

    /// Some part has an answer, and a span is in one of them.
    fn one_of(parts: Vec<Self>) -> Self {
        let found = Known::one_of(parts.iter().map(|part| part.found.clone()));
        let trace = Known::one_of(parts.iter().map(|part| part.trace.clone()));
        let needed = known::needed_of_one(parts.into_iter().map(|part| part.needed));
        Self { found, needed, trace }
    }
}
