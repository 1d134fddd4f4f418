//! Searches with queries, through `Query` on every store: `oracle` compares them with what a query means, `limits` has
//! what they may cost.

mod limits;
mod oracle;
