//! The typed tree of a query.
//!
//! Columns are carried for errors and are no part of what a query says: trees are compared without them. Chains of
//! `&&` and of `||` are lists, so that a long one is not a deep one. [`field`] has what is asked of one span,
//! [`metrics`] what ends in numbers over time.

pub mod field;
pub mod metrics;
pub mod reference;

pub use field::{Arithmetic, Comparison, Field, Literal, Term};
pub use metrics::{Compare, Math, Metrics, MetricsFunction, MetricsSource, SecondStage, SpanMetrics};
pub use reference::{Intrinsic, Reference, Scope};

/// Where a part's text is: 1 is the query's first character. Any two are equal, since where something is said does
/// not matter to what is said.
#[derive(Debug, Clone, Copy, Default)]
pub struct Column(pub usize);

impl PartialEq for Column {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Column {}

/// A whole query.
#[derive(Debug, Clone, PartialEq)]
pub struct Query {
    /// What it asks for.
    pub body: Body,
    /// How it may be answered.
    pub hints: Vec<Hint>,
}

/// What a query asks for.
#[derive(Debug, Clone, PartialEq)]
pub enum Body {
    /// Traces, with the spans that matched.
    Traces(Pipeline),
    /// Numbers over time.
    Metrics(Metrics),
}

/// `with(name=value)`
#[derive(Debug, Clone, PartialEq)]
pub struct Hint {
    /// Where its name is.
    pub column: Column,
    /// Which hint.
    pub name: HintName,
    /// What it is set to.
    pub value: Literal,
}

/// The hints that are known. None of them changes what a right answer is, and none is made use of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HintName {
    /// `most_recent`: the newest traces first, as always here.
    MostRecent,
    /// `exemplars`: whether, or how many, spans are named as examples of a series.
    Exemplars,
    /// `sample`: the answer may be an estimate.
    Sample,
    /// `span_sample`: the answer may be an estimate from this part of the spans.
    SpanSample,
    /// `trace_sample`: the answer may be an estimate from this part of the traces.
    TraceSample,
}

impl HintName {
    /// Every hint with its word.
    pub const WORDS: [(Self, &'static str); 5] = [
        (Self::MostRecent, "most_recent"),
        (Self::Exemplars, "exemplars"),
        (Self::Sample, "sample"),
        (Self::SpanSample, "span_sample"),
        (Self::TraceSample, "trace_sample"),
    ];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(known, _)| *known == self).map(|(_, word)| *word).unwrap_or_default()
    }
}

/// Stages joined by `|`, at least one; each takes spansets and gives spansets.
#[derive(Debug, Clone, PartialEq)]
pub struct Pipeline {
    /// The stages, in order.
    pub stages: Vec<Stage>,
}

/// One step of a pipeline.
#[derive(Debug, Clone, PartialEq)]
pub enum Stage {
    /// `{ … }`, alone or combined.
    Spansets(SpansetExpression),
    /// `count() > 2`: the spansets for which it holds.
    Filter(ScalarFilter),
    /// `by(x)`: a spanset for each value.
    By(Field),
    /// `coalesce()`: one spanset again.
    Coalesce,
    /// `select(x, …)`: what is shown of the spans.
    Select(Vec<Reference>),
}

/// What makes spansets from a spanset.
#[derive(Debug, Clone, PartialEq)]
pub enum SpansetExpression {
    /// `{ … }`: the spans for which it holds; without an expression, all.
    Filter(Option<Field>),
    /// `a && b && …`, two or more: all their spans, when each has some.
    All(Vec<SpansetExpression>),
    /// `a || b || …`, two or more: all their spans.
    Any(Vec<SpansetExpression>),
    /// `a >> b`
    Structural(StructuralOperator, Column, Box<SpansetExpression>, Box<SpansetExpression>),
    /// `( … | … )`: a pipeline that is more than one spanset expression.
    Pipeline(Pipeline),
}

/// How spans must be related.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StructuralOperator {
    /// What the right side's spans are to the left side's.
    pub relation: Relation,
    /// Which spans are the result.
    pub result: StructuralResult,
}

/// What a span on the right is to a span on the left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relation {
    /// `>`: its child.
    Child,
    /// `<`: its parent.
    Parent,
    /// `>>`: below it.
    Descendant,
    /// `<<`: above it.
    Ancestor,
    /// `~`: another child of its parent.
    Sibling,
}

/// Which spans a structural operator gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StructuralResult {
    /// `>`: those on the right that are related to one on the left.
    Related,
    /// `!>`: those on the right that are related to none on the left.
    Unrelated,
    /// `&>`: those of both sides that are related to one on the other side.
    Both,
}

impl StructuralOperator {
    /// Every operator with its symbol.
    pub const SYMBOLS: [(Relation, [&'static str; 3]); 5] = [
        (Relation::Child, [">", "!>", "&>"]),
        (Relation::Parent, ["<", "!<", "&<"]),
        (Relation::Descendant, [">>", "!>>", "&>>"]),
        (Relation::Ancestor, ["<<", "!<<", "&<<"]),
        (Relation::Sibling, ["~", "!~", "&~"]),
    ];

    /// The results in the order of [`Self::SYMBOLS`].
    pub const RESULTS: [StructuralResult; 3] =
        [StructuralResult::Related, StructuralResult::Unrelated, StructuralResult::Both];

    /// The operator with this symbol.
    #[must_use]
    pub fn from_symbol(symbol: &str) -> Option<Self> {
        Self::SYMBOLS.iter().find_map(|(relation, symbols)| {
            let known = symbols.iter().zip(Self::RESULTS).find(|(known, _)| **known == symbol);
            known.map(|(_, result)| Self { relation: *relation, result })
        })
    }

    /// Its symbol.
    #[must_use]
    pub fn symbol(self) -> &'static str {
        let symbols = Self::SYMBOLS.iter().filter(|(relation, _)| *relation == self.relation);
        let mut pairs = symbols.flat_map(|(_, symbols)| symbols.iter().zip(Self::RESULTS));
        pairs.find(|(_, result)| *result == self.result).map(|(symbol, _)| *symbol).unwrap_or_default()
    }
}

/// `left > right`, where at least one side has an aggregate.
#[derive(Debug, Clone, PartialEq)]
pub struct ScalarFilter {
    /// Where the operator is.
    pub column: Column,
    /// How the sides compare.
    pub comparison: Comparison,
    /// The left side.
    pub left: Scalar,
    /// The right side.
    pub right: Scalar,
}

/// A number for a spanset.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    /// A number, the same for every spanset.
    Literal(Literal),
    /// A number made from the spanset's spans.
    Aggregate(Aggregate),
    /// `a + b`
    Arithmetic(Arithmetic, Box<Scalar>, Box<Scalar>),
}

/// A number made from a spanset's spans.
#[derive(Debug, Clone, PartialEq)]
pub enum Aggregate {
    /// `count()`: how many there are.
    Count,
    /// `min(x)`, …: over those that have the number.
    Of(AggregateFunction, Box<Field>),
}

/// How numbers become one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AggregateFunction {
    /// The smallest.
    Min,
    /// The largest.
    Max,
    /// Their sum.
    Sum,
    /// Their mean.
    Average,
}

impl AggregateFunction {
    /// Every function with its word.
    pub const WORDS: [(Self, &'static str); 4] =
        [(Self::Min, "min"), (Self::Max, "max"), (Self::Sum, "sum"), (Self::Average, "avg")];

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        Self::WORDS.iter().find(|(known, _)| *known == self).map(|(_, word)| *word).unwrap_or_default()
    }
}
