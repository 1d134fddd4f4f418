//! Lists in columns: PostgreSQL has no array of arrays of different lengths, so the lists of all rows go as one array,
//! with the places of each row's part.

/// The lists of many rows, one after the other.
#[derive(Debug)]
pub(super) struct Lists<T> {
    /// Their values.
    pub(super) values: Vec<T>,
    /// Where each begins, counted from 1.
    pub(super) firsts: Vec<i32>,
    /// Where each ends; before its beginning when it is empty.
    pub(super) lasts: Vec<i32>,
}

impl<T> Default for Lists<T> {
    fn default() -> Self {
        Self { values: Vec::new(), firsts: Vec::new(), lasts: Vec::new() }
    }
}

impl<T> Lists<T> {
    /// Adds the next row's list.
    pub(super) fn push(&mut self, list: impl IntoIterator<Item = T>) {
        self.firsts.push(place(self.values.len().saturating_add(1)));
        self.values.extend(list);
        self.lasts.push(place(self.values.len()));
    }
}

fn place(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}
