//! Changes to bytes of which nothing is known.

use crate::support::random::Random;

/// The bytes with one change.
pub(super) fn change(bytes: &[u8], random: &mut Random) -> Vec<u8> {
    let mut changed = bytes.to_vec();
    let (at, end) = (random.index(bytes.len() + 1), random.index(bytes.len() + 1));
    let range = at.min(end)..at.max(end);
    match random.below(6) {
        0 => changed.truncate(at),
        1 => drop(changed.drain(range)),
        2 => drop(changed.splice(at..at, bytes[range].to_vec())),
        3 => changed.insert(at, random.byte()),
        4 => changed.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << random.below(8)),
        _ => changed.iter_mut().skip(at).take(1).for_each(|byte| *byte = random.byte()),
    }
    changed
}
