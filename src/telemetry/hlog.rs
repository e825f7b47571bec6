//! The latency of each stage, interval by interval, in the HdrHistogram log format 1.3.
//!
//! Lines are `Tag=STAGE,start,length,max,histogram`: seconds since `BaseTime`, the largest value in nanoseconds, the
//! histogram in the compressed V2 form. HistogramLogProcessor, HdrHistogramVisualizer and hdr-plot read it.

use super::stages::Stages;
use crate::domain::Nanos;
use hdrhistogram::serialization::V2DeflateSerializer;
use hdrhistogram::serialization::interval_log::{IntervalLogWriterBuilder, IntervalLogWriterError, Tag};
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;
use std::time::Duration;

/// Writes one interval after the other.
pub struct HlogWriter<W: Write> {
    out: W,
    serializer: V2DeflateSerializer,
    base_ns: Nanos,
    interval_from_ns: Nanos,
}

impl HlogWriter<BufWriter<File>> {
    /// Begins a log at `path`, with its folders. The log of the run before is kept beside it, as `PATH.old`.
    pub fn create(path: &Path, now: Nanos) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder)?;
        }
        if path.exists() {
            let mut old = path.as_os_str().to_owned();
            old.push(".old");
            std::fs::rename(path, old)?;
        }
        HlogWriter::new(BufWriter::new(File::create(path)?), now)
    }
}

impl<W: Write> HlogWriter<W> {
    /// Writes the head. `now` is the run's start, from which every time in the log counts.
    pub fn new(mut out: W, now: Nanos) -> io::Result<Self> {
        let seconds = format!("{}.{:03}", now.div_euclid(1_000_000_000), now.rem_euclid(1_000_000_000) / 1_000_000);
        writeln!(out, "#[Tollgate: latency by stage in nanoseconds, one tag a stage]")?;
        writeln!(out, "#[Histogram log format version 1.3]")?;
        writeln!(out, "#[StartTime: {seconds} (seconds since epoch)]")?;
        writeln!(out, "#[BaseTime: {seconds} (seconds since epoch)]")?;
        writeln!(out, "\"StartTimestamp\",\"Interval_Length\",\"Interval_Max\",\"Interval_Compressed_Histogram\"")?;
        out.flush()?;
        Ok(HlogWriter { out, serializer: V2DeflateSerializer::new(), base_ns: now, interval_from_ns: now })
    }

    /// Writes the interval that ends now, stage by stage where there are samples, and begins the next.
    pub fn write_interval(&mut self, stages: &mut Stages, now: Nanos) -> io::Result<()> {
        let since = |from: Nanos, to: Nanos| Duration::from_nanos(u64::try_from(to.saturating_sub(from)).unwrap_or(0));
        let start = since(self.base_ns, self.interval_from_ns);
        let length = since(self.interval_from_ns, now);
        let mut writer = IntervalLogWriterBuilder::new().begin_log_with(&mut self.out, &mut self.serializer)?;
        for (stage, histogram) in stages.interval().filter(|(_, histogram)| !histogram.is_empty()) {
            writer.write_histogram(histogram, start, length, Tag::new(stage.as_str())).map_err(
                |error| match error {
                    IntervalLogWriterError::IoError(error) => error,
                    IntervalLogWriterError::SerializeError(error) => io::Error::other(error),
                },
            )?;
        }
        self.out.flush()?;
        stages.end_interval();
        self.interval_from_ns = now;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::Stage;
    use super::*;
    use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

    const START: Nanos = 1_700_000_000_250_000_000;
    const SECOND: Nanos = 1_000_000_000;

    fn log() -> String {
        let mut bytes = Vec::new();
        let mut stages = Stages::default();
        let mut writer = HlogWriter::new(&mut bytes, START).unwrap();
        stages.record(Stage::ReceivedToWritten, START, START + 900);
        stages.record(Stage::WrittenToAcked, START, START + 2_000);
        writer.write_interval(&mut stages, START + SECOND).unwrap();
        stages.record(Stage::ReceivedToWritten, START, START + 700);
        writer.write_interval(&mut stages, START + 3 * SECOND).unwrap();
        writer.write_interval(&mut stages, START + 4 * SECOND).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn a_reader_of_the_format_finds_each_interval_with_its_tag_and_times() {
        let text = log();
        let mut seen = Vec::new();
        for entry in IntervalLogIterator::new(text.as_bytes()) {
            match entry.unwrap() {
                LogEntry::StartTime(at) | LogEntry::BaseTime(at) => assert_eq!(at.as_millis(), 1_700_000_000_250),
                LogEntry::Interval(interval) => seen.push((
                    interval.tag().unwrap().as_str().to_owned(),
                    interval.start_timestamp().as_secs(),
                    interval.duration().as_secs(),
                    interval.max() as u64,
                )),
            }
        }
        assert_eq!(
            seen,
            [
                ("received_to_written".to_owned(), 0, 1, 900),
                ("written_to_acked".to_owned(), 0, 1, 2_000),
                ("received_to_written".to_owned(), 1, 2, 700),
            ]
        );
    }

    #[test]
    fn the_head_is_that_of_format_1_3() {
        let text = log();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "#[Histogram log format version 1.3]");
        assert_eq!(lines[2], "#[StartTime: 1700000000.250 (seconds since epoch)]");
        assert!(lines[4].starts_with("\"StartTimestamp\",\"Interval_Length\""));
        assert!(lines[5].contains(",HISTFAAA"), "the compressed V2 form begins so: {}", lines[5]);
    }

    #[test]
    fn the_log_of_the_run_before_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/latency.hlog");
        drop(HlogWriter::create(&path, START).unwrap());
        drop(HlogWriter::create(&path, START + SECOND).unwrap());
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert!(read(&path).contains("1700000001.250"));
        assert!(read(&directory.path().join("deep/latency.hlog.old")).contains("1700000000.250"));
    }
}
