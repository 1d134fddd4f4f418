//! Searches with queries, through `Query` on every store: `oracle` compares them with what a query means, `limits` has
//! what they may cost, `large` has much at once.

mod large;
mod limits;
mod oracle;
