//! Blocks whose bytes are not what was written.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::TestRunner;

use super::super::columns::COLUMNS;
use super::*;

/// The columns of a block, as they are sent.
type Bytes = Vec<Option<Vec<u8>>>;

/// Takes a row of a COPY apart.
fn columns(block: &Block) -> Bytes {
    let mut rows = block_rows(0);
    rows.clear();
    block.push(&mut rows).unwrap();
    let mut rest = &rows.bytes()[2..];
    let mut columns = Vec::new();
    while let Some((length, after)) = rest.split_first_chunk() {
        let (value, after) = after.split_at(usize::try_from(i32::from_be_bytes(*length)).unwrap_or(0));
        columns.push((i32::from_be_bytes(*length) >= 0).then(|| value.to_vec()));
        rest = after;
    }
    assert_eq!(columns.len(), COLUMNS);
    columns
}

/// One thing that happens to a column.
#[derive(Debug, Clone)]
enum Damage {
    Byte(Index, u8),
    Cut(Index),
    Longer(Vec<u8>),
    Gone,
    /// The bytes of another column.
    Other(Index),
}

fn damage() -> impl Strategy<Value = (Index, Damage)> {
    let damage = prop_oneof![
        8 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        1 => any::<Index>().prop_map(Damage::Cut),
        1 => vec(any::<u8>(), 1..9).prop_map(Damage::Longer),
        1 => Just(Damage::Gone),
        1 => any::<Index>().prop_map(Damage::Other),
    ];
    (any::<Index>(), damage)
}

fn apply(columns: &mut Bytes, column: Index, damage: &Damage) {
    let other = match damage {
        Damage::Other(other) => columns[other.index(COLUMNS)].clone(),
        _ => None,
    };
    let place = &mut columns[column.index(COLUMNS)];
    match (damage, place.as_mut()) {
        (Damage::Gone, _) | (Damage::Other(_), None) => *place = None,
        (Damage::Other(_), _) => *place = other,
        (Damage::Byte(at, byte), Some(bytes)) if !bytes.is_empty() => {
            let at = at.index(bytes.len());
            bytes[at] = *byte;
        }
        (Damage::Cut(at), Some(bytes)) => bytes.truncate(at.index(bytes.len() + 1)),
        (Damage::Longer(more), Some(bytes)) => bytes.extend(more),
        _ => {}
    }
}

/// Reads all that can be read; an error must name the block.
fn read(columns: &Bytes, dictionary: &Dictionary) -> usize {
    let values: Vec<_> = columns.iter().map(Option::as_deref).collect();
    let mut errors = 0;
    let mut count = |error: StoreError| {
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error:?}");
        errors += 1;
    };
    match StoredBlock::parse(&values) {
        Err(error) => count(error),
        Ok(block) => {
            for place in 0..=block.heads().len() {
                if let Err(error) = block.span(place, dictionary) {
                    assert!(error.to_string().contains(&block.block_id.to_string()), "{error}");
                    count(error);
                }
            }
            assert!(block.traces.iter().all(|trace| block.places_of(trace.id).end <= block.heads().len()));
            assert!(block.references().count() < 4_096);
        }
    }
    errors
}

/// Scenario: random bytes of a block change, go missing or come from elsewhere. Guarantee: an error that says where, or
/// other spans (a changed digit is a digit); never a panic.
#[tokio::test(flavor = "multi_thread")]
async fn damaged_blocks_are_told() {
    let mut fixture = Fixture::new().await;
    let spans = arbitrary::samples(&crowded(16), 2).concat();
    let blocks = fixture.store(&spans).await;
    let (_, dictionary) = fixture.blocks().await;
    fixture.store.close().await;
    let whole: Vec<_> = blocks.iter().map(columns).collect();
    // Of a block that is whole, only the span behind the last one is missing.
    assert!(whole.iter().all(|columns| read(columns, &dictionary) == 1));
    let config = Config { cases: 2_000, failure_persistence: None, ..Config::default() };
    let mut told = 0;
    TestRunner::new(config)
        .run(&(any::<Index>(), vec(damage(), 1..4)), |(block, damages)| {
            let mut columns = block.get(&whole).clone();
            for (column, damage) in &damages {
                apply(&mut columns, *column, damage);
            }
            read(&columns, &dictionary);
            Ok(())
        })
        .unwrap();
    for column in 0..COLUMNS {
        let mut columns = whole[0].clone();
        columns[column] = columns[column].take().map(|mut bytes| {
            bytes.truncate(bytes.len().saturating_sub(1));
            bytes
        });
        told += usize::from(read(&columns, &dictionary) > 1 || StoredBlock::parse(&as_values(&columns)).is_err());
    }
    // A shorter text may be another text, and a null is still one.
    assert!(told > COLUMNS / 2, "{told}");
}

fn as_values(columns: &Bytes) -> Vec<Option<&[u8]>> {
    columns.iter().map(Option::as_deref).collect()
}
