//! Any JSON as a tree that keeps copies of names, which the parser's own tree does not.

use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

/// A JSON value.
#[derive(Debug, Clone)]
pub(crate) enum Tree {
    /// A number, a text, a truth value or null, as its text.
    Leaf(String),
    List(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Every name of the field that holds lists of spans.
const SCOPE_SPANS: [&str; 6] = [
    "scopeSpans",
    "scope_spans",
    "deprecatedScopeSpans",
    "deprecated_scope_spans",
    "instrumentationLibrarySpans",
    "instrumentation_library_spans",
];

impl Tree {
    /// How many spans it has, when it is a request.
    pub(super) fn span_count(&self) -> usize {
        let groups = self.items(&["resourceSpans", "resource_spans"]);
        groups.flat_map(|group| group.items(&SCOPE_SPANS)).map(|group| group.items(&["spans"]).count()).sum()
    }

    /// The items of all lists that are members by one of these names.
    fn items<'a>(&'a self, names: &'a [&str]) -> impl Iterator<Item = &'a Self> {
        let members = if let Self::Object(members) = self { &members[..] } else { &[] };
        let lists = members.iter().filter(|(name, _)| names.contains(&name.as_str()));
        lists.flat_map(|(_, list)| if let Self::List(items) = list { &items[..] } else { &[] })
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf("null".to_owned()))
    }

    fn visit_bool<E>(self, bool: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf(bool.to_string()))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf(number.to_string()))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf(number.to_string()))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf(format!("{number:?}")))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf(serde_json::to_string(text).unwrap()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut members = Vec::new();
        while let Some(member) = map.next_entry()? {
            members.push(member);
        }
        Ok(Tree::Object(members))
    }
}
