//! Whatever of the writes since the last sync a loss of power leaves, nothing acknowledged is lost.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

const SECTOR: usize = 512;

/// Without what a file has ahead of its entries.
fn written(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1)]
}

/// The files of a folder, as they were when a commit returned, under the bytes written since then, of which the disk
/// kept only some sectors; the file's length may lag behind too.
fn lose_power(
    synced: &BTreeMap<PathBuf, Vec<u8>>,
    now: &BTreeMap<PathBuf, Vec<u8>>,
    keep: &[bool],
    short: usize,
) {
    for (path, bytes) in now {
        let durable = synced.get(path).map_or(0, Vec::len);
        let mut image = bytes.clone();
        for (index, sector) in image.chunks_mut(SECTOR).enumerate() {
            let begin = index * SECTOR;
            if begin + sector.len() > durable && !keep[index % keep.len()] {
                sector[durable.saturating_sub(begin).min(SECTOR)..].fill(0);
            }
        }
        if short > 0 {
            image.truncate(durable.max(written(bytes).len().saturating_sub(short)));
        }
        fs::write(path, image).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn nothing_acknowledged_is_lost(
        sizes in prop::collection::vec((1_usize..6, 1_usize..900), 1..12),
        settlements in 0_usize..20,
        keep in prop::collection::vec(any::<bool>(), 1..24),
        short in prop_oneof![Just(0_usize), 0_usize..4_000],
    ) {
        let dir = fresh_dir();
        let small = StoreOptions { segment_bytes_max: 4_000, ..options() };
        let (mut writer, store) = open(dir.path(), small, NOW).unwrap();
        let batch = |(count, bytes): (usize, usize)| vec![event(&"x".repeat(bytes)); count];
        let (last, before) = sizes.split_last().unwrap();
        let mut acknowledged = Vec::new();
        for (number, size) in before.iter().enumerate() {
            acknowledged.extend(publish(&mut writer, batch(*size), &[1], NOW));
            prop_assert_eq!(writer.active.durable_to(), writer.active.end(), "answered before the sync");
            let document = Document::Token(token(number as u128, "t".into()));
            commit(&mut writer, Write::Document(document), NOW);
        }
        let synced = files(&dir.path().join("log"));
        // Nobody waits for these, so they are not synced; losing them only repeats a delivery.
        for event in unread(&store, 1).iter().take(settlements) {
            commit(&mut writer, settled(event, 1, false, event.seq, Fate::Delivered), NOW);
        }
        let in_flight = publish(&mut writer, batch(*last), &[1], NOW);
        let newest = segments(dir.path()).len();
        drop((writer, store));

        let image = without_retry_journal(dir.path());
        let moved = |files: BTreeMap<PathBuf, Vec<u8>>| -> BTreeMap<PathBuf, Vec<u8>> {
            let path = |path: PathBuf| image.path().join(path.strip_prefix(dir.path()).unwrap());
            files.into_iter().map(|(at, bytes)| (path(at), bytes)).collect()
        };
        let mut synced = moved(synced);
        synced.values_mut().for_each(|bytes| bytes.truncate(written(bytes).len()));
        let now = moved(files(&dir.path().join("log")));
        // A new segment is begun only once the one before it is synced whole, and its own header is.
        for (path, bytes) in now.iter().take(newest - 1) {
            synced.insert(path.clone(), bytes.clone());
        }
        if let Some((path, bytes)) = now.iter().next_back().filter(|(path, _)| !synced.contains_key(*path)) {
            synced.insert(path.clone(), bytes[..64].to_vec());
        }
        lose_power(&synced, &now, &keep, short);

        let (writer, store) = opened(image.path());
        let found: BTreeSet<_> = stored(&store, 1).iter().map(|event| event.id).collect();
        prop_assert!(acknowledged.iter().all(|id| found.contains(id)));
        let survived = in_flight.iter().filter(|id| found.contains(id)).count();
        prop_assert!(survived == 0 || survived == in_flight.len(), "{survived} of {}", in_flight.len());
        prop_assert_eq!(writer.documents().tokens.len(), before.len());
        prop_assert!(unread(&store, 1).len() + settlements >= acknowledged.len());
    }
}
