//! The log as writer, flusher and reader see it: round trips, rotation, tailing, compression, a full disk, the bytes.

use super::support::{accepted, arb_effect, arb_event, event, quote, small};
use crate::agent::Agent;
use crate::core::config::{StrategyConfig, StrategyKind};
use crate::core::effect::{Effect, EffectOf, Fill, OUTBOX_MAX, RecordedEffect};
use crate::core::event::{Body, Event};
use crate::domain::wire::Wire;
use crate::domain::*;
use crate::journal::files::{compressed_path, list, next_path, raw_path};
use crate::journal::format::{RECORD_BYTES_MAX, RECORD_HEAD, encode_event};
use crate::journal::*;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

type Recording = (Event, Nanos, Vec<RecordedEffect>);

/// Everything in the journal, from `from_seq` on.
fn read(dir: &Path, from_seq: u64) -> Vec<Recording> {
    let mut reader = Reader::open(dir, from_seq).unwrap();
    let mut all = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        all.push((record.event, record.decided_ns, record.effects().collect()));
    }
    all
}

/// Appends the quotes `from..=to`, the flusher turned where the journal says it is full.
fn write(journal: &mut Journal, flusher: &mut JournalFlusher, from: u64, to: u64) {
    for seq in from..=to {
        if journal.append(&quote(seq), 0, &[]).is_err() {
            flusher.do_work(0);
            journal.append(&quote(seq), 0, &[]).unwrap();
        }
    }
}

/// Quotes that fill a little more than one of the smallest segments.
const ONE_SEGMENT: u64 = 10_000;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn what_is_appended_is_read_back(
        events in prop::collection::vec((arb_event(), any::<i64>(), prop::collection::vec(arb_effect(), 0..6)), 1..40),
        from in 0u64..45,
    ) {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, flusher, _) = Journal::open(dir.path(), small()).unwrap();
        let mut kept = Vec::new();
        for (i, (mut event, decided_ns, effects)) in events.into_iter().enumerate() {
            event.seq = i as u64 + 1;
            journal.append_recorded(&event, decided_ns, effects.iter().copied()).unwrap();
            if i % 7 == 0 {
                journal.checkpoint(i as u64).unwrap();
            }
            kept.push((event, decided_ns, effects));
        }
        let wanted: Vec<_> = kept.iter().filter(|r| r.0.seq >= from).cloned().collect();
        prop_assert_eq!(read(dir.path(), from), wanted);
        // And by another run of the engine, which changes nothing.
        drop((journal, flusher));
        let (journal, ..) = Journal::open(dir.path(), small()).unwrap();
        prop_assert_eq!(journal.last_seq(), kept.len() as u64);
        prop_assert_eq!(read(dir.path(), 0), kept);
    }
}

/// The generators are the claim of the round trip: a variant they forget is a variant nobody tested.
#[test]
fn every_variant_is_generated() {
    fn tag(value: &impl Wire) -> u8 {
        let mut bytes = [0; 1024];
        value.put(&mut wire::Writer::new(&mut bytes));
        bytes[0]
    }
    let mut runner = TestRunner::deterministic();
    let mut bodies = BTreeMap::new();
    let mut effects = BTreeMap::new();
    for _ in 0..1_000 {
        *bodies.entry(tag(&arb_event().new_tree(&mut runner).unwrap().current().body)).or_insert(0) += 1;
        *effects.entry(tag(&arb_effect().new_tree(&mut runner).unwrap().current())).or_insert(0) += 1;
    }
    // The tags are dense, and the first one past the end is no variant: a new variant makes this fail.
    for (found, name) in [(&bodies, "Body"), (&effects, "Effect")] {
        let tags: Vec<u8> = found.keys().copied().collect();
        assert_eq!(tags, (0..found.len() as u8).collect::<Vec<_>>(), "{name}");
    }
    let zeros = [0u8; 1024];
    let unknown = |tag: usize| [&[tag as u8], &zeros[..]].concat();
    assert_eq!(Body::get(&mut wire::Reader::new(&unknown(bodies.len()))), None, "a Body the generator does not know");
    let effect = RecordedEffect::get(&mut wire::Reader::new(&unknown(effects.len())));
    assert_eq!(effect, None, "an effect the generator does not know");
}

#[test]
fn the_largest_event_with_the_most_of_the_largest_effects_fits() {
    let mut runner = TestRunner::deterministic();
    let mut room = vec![0; 2 << 20];
    let mut size =
        |event: &Event, effects: &[RecordedEffect]| encode_event(&mut room, event, 0, effects.iter().copied()).unwrap();
    let tick = event(1, Body::Tick);
    let empty = size(&tick, &[]);
    let (mut event_max, mut effect_max) = (0, 0);
    for _ in 0..20_000 {
        event_max = event_max.max(size(&arb_event().new_tree(&mut runner).unwrap().current(), &[]));
        effect_max = effect_max.max(size(&tick, &[arb_effect().new_tree(&mut runner).unwrap().current()]) - empty);
    }
    // The generators reach the longest texts and the fullest depth, within a few bytes.
    let worst = event_max + (effect_max + 16) * OUTBOX_MAX;
    assert!(worst > 100 * OUTBOX_MAX && worst < RECORD_BYTES_MAX, "{event_max} {effect_max} {worst}");
}

#[test]
fn one_outbox_full_of_effects_is_one_record_and_more_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _flusher, _) = Journal::open(dir.path(), small()).unwrap();
    let fills: Vec<Effect> = (0..OUTBOX_MAX).map(|_| EffectOf::Fill(Fill::default())).collect();
    journal.append(&quote(1), 0, &fills).unwrap();
    assert_eq!(read(dir.path(), 1)[0].2.len(), OUTBOX_MAX);
    let more = [fills.as_slice(), &[accepted(1)]].concat();
    assert_eq!(journal.append(&quote(2), 0, &more), Err(JournalFull::TooManyEffects { effects: OUTBOX_MAX + 1 }));
    journal.append(&quote(2), 0, &[]).unwrap();
}

#[test]
fn segments_follow_one_another_and_a_reader_crosses_them() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, mut flusher, _) = Journal::open(dir.path(), small()).unwrap();
    let mut reader = Reader::open(dir.path(), 1).unwrap();
    write(&mut journal, &mut flusher, 1, 4 * ONE_SEGMENT);
    flusher.do_work(0);
    assert!(list(dir.path()).unwrap().segments.len() >= 4);
    for seq in 1..=4 * ONE_SEGMENT {
        assert_eq!(reader.next().unwrap().unwrap().event, quote(seq));
    }
    assert!(reader.next().unwrap().is_none());
    write(&mut journal, &mut flusher, 4 * ONE_SEGMENT + 1, 4 * ONE_SEGMENT + 1);
    assert_eq!(reader.next().unwrap().unwrap().event.seq, 4 * ONE_SEGMENT + 1);
    drop((journal, flusher));
    let (_, _, recovered) = Journal::open(dir.path(), small()).unwrap();
    assert_eq!((recovered.first_seq, recovered.last_seq), (1, 4 * ONE_SEGMENT + 1));
    assert_eq!((recovered.events, recovered.reason), (4 * ONE_SEGMENT + 1, None));
}

/// The writer's last store of one life may be the first of a segment that nobody named yet.
#[test]
fn a_segment_that_was_begun_and_never_named_is_read_and_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _flusher, _) = Journal::open(dir.path(), small()).unwrap();
    let mut seq = 0;
    while list(dir.path()).unwrap().segments.len() == 1 && seq < ONE_SEGMENT {
        seq += 1;
        journal.append(&quote(seq), 0, &[]).unwrap();
    }
    let last = seq;
    assert!(next_path(dir.path()).exists());
    assert_eq!(read(dir.path(), 1).len() as u64, last, "with the segment still called next.tgj");
    // The engine dies here: the directory as it lies now is what the next one finds.
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let path = entry.unwrap().path();
        std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    let (mut journal, _flusher, recovered) = Journal::open(copy.path(), small()).unwrap();
    assert_eq!((recovered.last_seq, recovered.cut_bytes), (last, 0));
    journal.append(&quote(last + 1), 0, &[]).unwrap();
    assert_eq!(read(copy.path(), 1).len() as u64, last + 1);
}

#[test]
fn a_reader_in_another_thread_sees_every_event_once_whole_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { compress: true, raw_segments: 0, flush_interval_ns: 1, ..small() };
    let (mut journal, mut flusher, _) = Journal::open(dir.path(), config).unwrap();
    let tail = journal.tail();
    let last = 6 * ONE_SEGMENT;
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut now = 0;
            while !done.load(Ordering::Relaxed) {
                now += 1;
                if flusher.do_work(now) == 0 {
                    std::thread::yield_now();
                }
            }
        });
        for from in [1, 0, 3 * ONE_SEGMENT] {
            let (dir, tail) = (dir.path(), tail.clone());
            scope.spawn(move || {
                let mut reader = Reader::open(dir, from).unwrap();
                let mut seq = from.max(1);
                while seq <= last {
                    let shown = tail.committed_seq();
                    match reader.next().unwrap() {
                        Some(record) => {
                            assert_eq!((record.event, record.decided_ns), (quote(seq), seq as i64));
                            assert_eq!(record.effects().collect::<Vec<_>>(), [accepted(seq), accepted(seq + 1)]);
                            seq += 1;
                        }
                        None => {
                            assert!(seq > shown, "the tail says {shown}, the reader has not got {seq}");
                            std::thread::yield_now();
                        }
                    }
                }
            });
        }
        for seq in 1..=last {
            while journal.append(&quote(seq), seq as i64, &[accepted(seq), accepted(seq + 1)]).is_err() {
                std::thread::yield_now();
            }
        }
        while list(dir.path()).unwrap().segments.iter().filter(|file| file.compressed).count() < 4 {
            std::thread::yield_now();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn sealed_segments_are_compressed_and_read_the_same() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { compress: true, raw_segments: 1, ..small() };
    let (mut journal, mut flusher, _) = Journal::open(dir.path(), config).unwrap();
    write(&mut journal, &mut flusher, 1, 4 * ONE_SEGMENT);
    let plain = read(dir.path(), 0);
    while flusher.do_work(0) > 0 {}
    let files = list(dir.path()).unwrap().segments;
    let compressed: Vec<bool> = files.iter().map(|file| file.compressed).collect();
    let raw = compressed.iter().filter(|c| !**c).count();
    assert_eq!(raw, 2, "the one being written and the newest sealed: {compressed:?}");
    assert!(compressed.len() > 3 && compressed[0]);
    assert!(files[0].bytes < small().segment_bytes / 2, "{} bytes", files[0].bytes);
    assert_eq!(read(dir.path(), 0), plain);
    assert_eq!(read(dir.path(), 7_777), plain[7_776..]);
    drop((journal, flusher));
    let (_, _, recovered) = Journal::open(dir.path(), config).unwrap();
    assert_eq!(recovered.last_seq, 4 * ONE_SEGMENT);

    // A compressed segment that is gone is missed without unpacking the one before it.
    std::fs::remove_file(&files[1].path).unwrap();
    let refused = Journal::open(dir.path(), config).map(|_| ()).unwrap_err();
    let expected = files[1].first_seq;
    assert!(matches!(&refused, JournalError::Missing { expected: e, .. } if *e == expected), "{refused}");
    let mut reader = Reader::open(dir.path(), 0).unwrap();
    let refused = loop {
        match reader.next() {
            Ok(record) => assert!(record.is_some(), "the reader waits for what is gone"),
            Err(e) => break e,
        }
    };
    assert!(matches!(&refused, JournalError::Missing { expected: e, .. } if *e == expected), "{refused}");
}

#[test]
fn an_engine_that_died_while_compressing_starts_again() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { compress: true, raw_segments: 0, ..small() };
    let (mut journal, mut flusher, _) = Journal::open(dir.path(), small()).unwrap();
    write(&mut journal, &mut flusher, 1, 2 * ONE_SEGMENT);
    drop((journal, flusher));
    // Once before the new name, once between the new name and the removal of the old.
    std::fs::write(dir.path().join("00000000000000000001.tgj.gz.tmp"), b"half").unwrap();
    std::fs::write(compressed_path(dir.path(), 1), b"whatever stands here is not asked").unwrap();
    let (_journal, mut flusher, recovered) = Journal::open(dir.path(), config).unwrap();
    assert_eq!(recovered.last_seq, 2 * ONE_SEGMENT);
    assert!(!dir.path().join("00000000000000000001.tgj.gz.tmp").exists());
    while flusher.do_work(0) > 0 {}
    assert!(!raw_path(dir.path(), 1).exists());
    assert_eq!(read(dir.path(), 1).len() as u64, 2 * ONE_SEGMENT);
}

#[test]
fn retention_removes_the_oldest_and_says_so_to_who_asks_for_it() {
    for config in
        [JournalConfig { segments_max: 2, ..small() }, JournalConfig { bytes_max: 2 * SEGMENT_BYTES_MIN, ..small() }]
    {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, mut flusher, _) = Journal::open(dir.path(), config).unwrap();
        write(&mut journal, &mut flusher, 1, 5 * ONE_SEGMENT);
        while flusher.do_work(0) > 0 {}
        let files = list(dir.path()).unwrap().segments;
        assert_eq!(files.len(), 3, "two sealed and the one being written");
        let first = files[0].first_seq;
        assert_eq!(read(dir.path(), 0)[0].0.seq, first);
        let Err(refused) = Reader::open(dir.path(), 1) else { panic!("event 1 is gone") };
        assert!(matches!(refused, JournalError::Removed { wanted: 1, first: f, .. } if f == first), "{refused}");
        drop((journal, flusher));
        let (_, _, recovered) = Journal::open(dir.path(), config).unwrap();
        assert_eq!((recovered.first_seq, recovered.events), (first, 5 * ONE_SEGMENT + 1 - first));
    }
}

#[test]
fn a_full_journal_says_so_and_works_again_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, mut flusher, _) = Journal::open(dir.path(), small()).unwrap();
    let mut seq = 0;
    let full = loop {
        let room = journal.has_room();
        match journal.append(&quote(seq + 1), 0, &[accepted(1)]) {
            Ok(()) => seq += 1,
            Err(full) => {
                assert!(!room, "room was promised");
                break full;
            }
        }
    };
    assert_eq!(full, JournalFull::NoSegment);
    assert!(seq > ONE_SEGMENT, "the segment prepared at the start was used: {seq}");
    assert_eq!(journal.append(&quote(seq + 1), 0, &[]), Err(full), "again, until there is room");
    // The disk refuses: something stands where the second segment gets its name.
    let begun = std::fs::read(next_path(dir.path())).unwrap();
    let first_seq = u64::from_le_bytes(*begun[16..].first_chunk().unwrap());
    std::fs::create_dir(raw_path(dir.path(), first_seq)).unwrap();
    flusher.do_work(1);
    assert_eq!(journal.append(&quote(seq + 1), 0, &[]), Err(full));
    std::fs::remove_dir(raw_path(dir.path(), first_seq)).unwrap();
    flusher.do_work(2);
    assert_eq!(journal.append(&quote(seq + 1), 0, &[]), Err(full), "a failed try is repeated only after a while");
    flusher.do_work(1_000_000_000);
    assert!(journal.has_room());
    journal.append(&quote(seq + 1), 0, &[]).unwrap();
    assert_eq!(read(dir.path(), 1).len() as u64, seq + 1, "nothing of the refused appends was left behind");
}

#[test]
fn a_checkpoint_is_due_every_so_often() {
    let dir = tempfile::tempdir().unwrap();
    let config = JournalConfig { checkpoint_every: 3, ..small() };
    let (mut journal, _flusher, _) = Journal::open(dir.path(), config).unwrap();
    let mut noted = Vec::new();
    for seq in 1..=8 {
        journal.append(&quote(seq), 0, &[]).unwrap();
        if journal.checkpoint_due() {
            journal.checkpoint(seq * 100).unwrap();
            noted.push((seq, seq * 100));
        }
    }
    assert_eq!(noted, [(3, 300), (6, 600)]);
    let mut reader = Reader::open(dir.path(), 1).unwrap();
    let mut found = Vec::new();
    while let Some(entry) = reader.next_entry().unwrap() {
        if let Entry::Checkpoint { seq, state_hash } = entry {
            found.push((seq, state_hash));
        }
    }
    assert_eq!(found, noted);
}

#[test]
#[should_panic(expected = "event 3 does not follow 1")]
fn a_gap_in_the_sequence_stops_the_engine() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, _flusher, _) = Journal::open(dir.path(), small()).unwrap();
    journal.append(&quote(1), 0, &[]).unwrap();
    let _ = journal.append(&quote(3), 0, &[]);
}

#[test]
fn a_journal_has_its_own_epoch_for_life() {
    let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let epoch = Journal::open(one.path(), small()).unwrap().0.epoch();
    assert_eq!(Journal::open(one.path(), small()).unwrap().0.epoch(), epoch);
    assert_ne!(Journal::open(other.path(), small()).unwrap().0.epoch(), epoch);
    assert_eq!(Reader::open(one.path(), 0).unwrap().epoch(), epoch);
}

#[test]
fn a_segment_size_that_cannot_be_is_refused_with_its_bounds() {
    let dir = tempfile::tempdir().unwrap();
    for bytes in [0, 4096, SEGMENT_BYTES_MIN + 1, SEGMENT_BYTES_MAX + 4096] {
        let refused =
            Journal::open(dir.path(), JournalConfig { segment_bytes: bytes, ..small() }).map(|_| ()).unwrap_err();
        assert!(matches!(refused, JournalError::SegmentBytes { value, .. } if value == bytes), "{refused}");
    }
}

/// The bytes of a tiny journal with one event of several kinds, line by line as `hexdump` would show them.
#[test]
fn the_format_is_the_golden_one() {
    let dir = tempfile::tempdir().unwrap();
    let (mut journal, flusher, _) = Journal::open(dir.path(), small()).unwrap();
    let effects = [
        EffectOf::Place(NewOrder { order: OrderId(2 * 64), qty: Qty(5), px: Price(7), ..NewOrder::default() }),
        accepted(2),
    ];
    let probe = StrategyConfig { kind: StrategyKind::Probe { every: 9, qty: Qty(10) }, ..StrategyConfig::default() };
    journal.append_recorded(&event(1, Body::Strategy(probe)), 11, std::iter::empty()).unwrap();
    journal.append_recorded(&quote(2), 12, effects.into_iter()).unwrap();
    journal.append_recorded(&event(3, Body::Tick), 13, std::iter::empty()).unwrap();
    let named = Body::Venue { venue: VenueId(1), name: Text::new("binance") };
    journal.append_recorded(&event(4, named), 14, std::iter::empty()).unwrap();
    journal.checkpoint(0x0123_4567_89ab_cdef).unwrap();
    let epoch = journal.epoch();
    drop((journal, flusher));
    let mut bytes = std::fs::read(raw_path(dir.path(), 1)).unwrap();
    // The epoch is random, and the size is the test's: golden with 1 and 64 MiB.
    assert_eq!(bytes[12..16], epoch.to_le_bytes());
    bytes[..64].copy_from_slice(&format::Header { epoch: 1, first_seq: 1, segment_bytes: 64 << 20 }.encode());
    let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    let mut shown = String::new();
    for (i, line) in bytes[..used.next_multiple_of(16)].chunks(16).enumerate() {
        let hex: Vec<String> = line.iter().map(|b| format!("{b:02x}")).collect();
        shown += &format!("{:04x}  {}\n", i * 16, hex.join(" "));
    }
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/journal/golden/format_3.hex");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &shown).unwrap();
    }
    let golden = std::fs::read_to_string(path).unwrap();
    assert_eq!(FORMAT_VERSION, 3, "a new version gets a golden file of its own");
    assert!(
        shown == golden,
        "the bytes of the journal have changed: journals that exist would be misread. A change of layout needs a new \
         FORMAT_VERSION (and UPDATE_GOLDEN=1 to write its golden file). Now:\n{shown}\ngolden:\n{golden}"
    );
    assert_eq!(RECORD_HEAD, 16);
}
