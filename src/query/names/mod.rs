//! Listing the keys of attributes and the values under a name, for whoever writes a query.
//!
//! `request.rs` is what can be asked, `source.rs` where items come from: portions from the store, the roots of traces, or
//! the spans that a query finds. They come in any order and more than once; `page.rs` keeps those of a page. When the
//! limit on work is reached first, the page has what was found by then, and says of which spans all is in it.

mod found;
mod page;
mod request;
mod source;

use std::collections::BTreeSet;

use futures::TryStreamExt;

use super::token::{self, AfterListed};
use super::traces::TOO_LARGE_NAMED_MAX;
use super::{Budget, Coverage, PAGE_NAMES_DEFAULT, PageRequest, Query, QueryError, SearchPage};
use crate::model::{Listed, UnixNanos, Within};

use page::Listing;
pub use request::{KeysRequest, NamesOf, ValuesRequest};
use source::Source;

/// A key of attributes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeKey {
    /// Where it is.
    pub within: Within,
    /// The key.
    pub key: String,
}

impl Query {
    /// The keys of attributes: by place, in the order of [`Within::PLACES`], then bytewise.
    pub async fn attribute_keys(
        &self,
        request: &KeysRequest,
        page: &PageRequest<'_>,
    ) -> Result<SearchPage<AttributeKey>, QueryError> {
        let found = self.listed(&request.of, request.sources(), request.digest(), page).await?;
        let key = |(list, item)| match item {
            Listed::Text(key) => Some(AttributeKey { within: *Within::PLACES.get(usize::from(list))?, key }),
            Listed::Int(_) | Listed::Double(_) | Listed::Bool(_) => None,
        };
        let SearchPage { items, next, coverage } = found;
        Ok(SearchPage { items: items.into_iter().filter_map(key).collect(), next, coverage })
    }

    /// The values under a name: texts bytewise, then numbers, then booleans.
    pub async fn attribute_values(
        &self,
        request: &ValuesRequest,
        page: &PageRequest<'_>,
    ) -> Result<SearchPage<Listed>, QueryError> {
        let found = self.listed(&request.of, request.sources()?, request.digest(), page).await?;
        let SearchPage { items, next, coverage } = found;
        Ok(SearchPage { items: items.into_iter().map(|(_, item)| item).collect(), next, coverage })
    }

    /// What the sources give, one after the other; each item with the number of its list.
    async fn listed(
        &self,
        of: &NamesOf,
        sources: Vec<Source>,
        digest: u128,
        request: &PageRequest<'_>,
    ) -> Result<SearchPage<(u8, Listed)>, QueryError> {
        let size = request.size(PAGE_NAMES_DEFAULT, self.settings.page_size_max)?;
        let after: Option<AfterListed> = token::open(request.token, digest)?;
        let after = after.map(|after| (after.list, after.item));
        let page = Listing::new(after, of.prefix.clone(), size, self.settings.page_bytes_max);
        let limit = self.settings.query_timeout;
        let filled = tokio::time::timeout(limit, self.fill(of, sources, page)).await;
        let (page, coverage) = filled.map_err(|_| QueryError::TimedOut { limit })??;
        let (items, has_more) = page.finish();
        let seal = |(list, item): &(u8, Listed)| token::seal(&AfterListed { list: *list, item: item.clone() }, digest);
        let next = items.last().filter(|_| has_more).map(seal).unwrap_or_default();
        Ok(SearchPage { items, next, coverage })
    }

    /// Fills a page, as far as the limit on work allows.
    async fn fill(
        &self,
        of: &NamesOf,
        sources: Vec<Source>,
        mut page: Listing,
    ) -> Result<(Listing, Coverage), QueryError> {
        let budget = Budget::new(&self.settings);
        let mut too_large = BTreeSet::new();
        let end = of.start_max.unwrap_or(UnixNanos(u64::MAX));
        let mut reached = None;
        let mut sources = sources.into_iter();
        while let Some(source) = sources.next() {
            if page.is_beyond(source.first_list()) {
                break;
            }
            let mut portions = source.portions(of, &self.store, self.settings.trace_spans_max, budget.work());
            let mut covered_since = end;
            let is_done = loop {
                let Some(next) = budget.within(budget.rest(), portions.try_next()).await else { break false };
                let Some(portion) = next? else { break true };
                portion.items.into_iter().for_each(|(list, item)| page.add(list, item));
                too_large.extend(portion.too_large);
                covered_since = portion.covered_since.unwrap_or(covered_since);
                if budget.is_spent() {
                    break false;
                }
            };
            if !is_done {
                // Lists that were not begun cover nothing.
                reached = Some(if sources.len() == 0 { covered_since } else { end });
                break;
            }
        }
        let coverage = Coverage {
            limit_reached: reached.is_some(),
            since: reached,
            work: budget.work().clone(),
            trace_ids_too_large: too_large.into_iter().take(TOO_LARGE_NAMED_MAX).collect(),
        };
        Ok((page, coverage))
    }
}
