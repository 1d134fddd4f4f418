//! How much memory the content of a request takes, counted while it is made. Two bytes of a request can ask for a
//! hundred of memory, so whoever has a bound on memory must be asked on the way, not before and not after.
//!
//! What is counted: texts, bytes, and lists as they grow, which take twice their size while they are moved. What is not:
//! what lives shorter than a span, like the parser's copy of an escaped text.

use std::cell::Cell;

use super::Malformed;

/// The owner of the memory is asked for so many bytes at a time.
const STEP_BYTES: usize = 16 << 10;

/// A list has room for so many items at first.
const FIRST_ITEMS: usize = 4;

/// What a request takes of somebody's memory.
pub struct Memory<'a> {
    may_take: &'a dyn Fn(usize) -> bool,
    taken_bytes: Cell<usize>,
    granted_bytes: Cell<usize>,
    is_full: Cell<bool>,
}

/// The owner of the memory said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Full;

impl<'a> Memory<'a> {
    /// Memory of an owner who says whether it may be so many bytes in all.
    #[must_use]
    pub fn new(may_take: &'a dyn Fn(usize) -> bool) -> Self {
        Self { may_take, taken_bytes: Cell::new(0), granted_bytes: Cell::new(0), is_full: Cell::new(false) }
    }

    /// Memory without a bound, for requests of our own.
    #[must_use]
    pub fn unbounded() -> Self {
        Self::new(&|_| true)
    }

    /// What is taken now.
    #[must_use]
    pub fn taken_bytes(&self) -> usize {
        self.taken_bytes.get()
    }

    /// Whether the owner has said no. From then on he is not asked again, and nothing can be taken.
    pub(crate) fn is_full(&self) -> bool {
        self.is_full.get()
    }

    pub(crate) fn take(&self, bytes: usize) -> Result<(), Full> {
        let taken = self.taken_bytes.get().saturating_add(bytes);
        if taken > self.granted_bytes.get() {
            self.ask(taken)?;
        }
        self.taken_bytes.set(taken);
        Ok(())
    }

    fn ask(&self, bytes: usize) -> Result<(), Full> {
        let wanted = bytes.saturating_add(STEP_BYTES);
        if self.is_full() || !(self.may_take)(wanted) {
            self.is_full.set(true);
            return Err(Full);
        }
        self.granted_bytes.set(wanted);
        Ok(())
    }

    /// What was taken and is free again.
    pub(crate) fn give_back(&self, bytes: usize) {
        self.taken_bytes.set(self.taken_bytes.get().saturating_sub(bytes));
    }

    /// Gives back what was taken since so much was.
    pub(crate) fn give_back_to(&self, taken_bytes: usize) {
        self.taken_bytes.set(taken_bytes.min(self.taken_bytes.get()));
    }

    /// Appends to a list of which nobody knows how long it will be.
    pub(crate) fn push<T>(&self, items: &mut Vec<T>, item: T) -> Result<(), Full> {
        let doubled = items.capacity().max(FIRST_ITEMS);
        self.push_one_of(items, item, || doubled)
    }

    /// Appends to a list; when it has to grow, `more` says by how many items. While they move, they are there twice.
    pub(crate) fn push_one_of<T>(&self, items: &mut Vec<T>, item: T, more: impl FnOnce() -> usize) -> Result<(), Full> {
        let old = items.capacity();
        if items.len() == old {
            let more = more().max(1);
            self.take(bytes_of::<T>(old.saturating_add(more)))?;
            items.reserve_exact(more);
            self.give_back(bytes_of::<T>(old));
        }
        items.push(item);
        Ok(())
    }
}

/// The size of so many items.
pub(crate) fn bytes_of<T>(items: usize) -> usize {
    items.saturating_mul(size_of::<T>())
}

/// Never shown: a request for which there is no room has no other faults.
impl From<Full> for Malformed {
    fn from(_: Full) -> Self {
        Self { what: "no room", offset: 0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_take_what_they_hold_and_twice_that_while_they_grow() {
        let most = Cell::new(0);
        let may_take = |bytes| {
            most.set(bytes);
            true
        };
        let memory = Memory::new(&may_take);
        let mut items = Vec::new();
        for number in 0..100_000_u64 {
            memory.push(&mut items, number).unwrap();
        }
        assert_eq!(memory.taken_bytes(), items.capacity() * 8);
        assert_eq!(items.capacity(), 131_072);
        assert_eq!(most.get(), (131_072 + 65_536) * 8 + STEP_BYTES);
    }

    #[test]
    fn a_no_is_final() {
        let asked = Cell::new(0);
        let may_take = |bytes| {
            asked.set(asked.get() + 1);
            bytes <= 100_000
        };
        let memory = Memory::new(&may_take);
        memory.take(80_000).unwrap();
        memory.take(4_000).unwrap();
        assert_eq!((memory.take(4_000), memory.take(50_000)), (Ok(()), Err(Full)));
        memory.give_back(60_000);
        assert_eq!((memory.take(90_000), memory.is_full()), (Err(Full), true));
        assert_eq!(asked.get(), 2);
    }
}
