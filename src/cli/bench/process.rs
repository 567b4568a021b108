//! What Linux says of a process: its CPU time, its memory and its disk. Zero elsewhere.

use std::{fs, os::unix::fs::MetadataExt, path::Path};

/// A tick of `/proc/*/stat` in microseconds: Linux shows user space 100 Hz on every architecture.
const TICK_US: u64 = 10_000;

/// CPU time of this process, all threads, in microseconds.
pub(super) fn cpu_us() -> u64 {
    stat_us(Path::new("/proc/self/stat")).unwrap_or(0)
}

/// CPU time of another process, all threads, in microseconds.
pub(super) fn cpu_us_of(process: u32) -> u64 {
    stat_us(Path::new(&format!("/proc/{process}/stat"))).unwrap_or(0)
}

/// CPU time of this process's threads of a name, in microseconds.
pub(super) fn thread_cpu_us(name: &str) -> u64 {
    let tasks = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let named = tasks.filter(|task| {
        fs::read_to_string(task.path().join("comm")).is_ok_and(|comm| comm.trim_end() == name)
    });
    named.filter_map(|task| stat_us(&task.path().join("stat"))).sum()
}

fn stat_us(path: &Path) -> Option<u64> {
    let stat = fs::read_to_string(path).ok()?;
    // The name, in parentheses, may hold anything; the fields after it are numbers. User and system time are the 14th
    // and 15th of all.
    let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) * TICK_US)
}

/// Memory of a process that is in RAM, in bytes; `None` is this process.
pub(super) fn rss_bytes(process: Option<u32>) -> u64 {
    let who = process.map_or_else(|| "self".to_owned(), |id| id.to_string());
    let status = fs::read_to_string(format!("/proc/{who}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
    kib.unwrap_or(0) * 1_024
}

/// Bytes that a directory takes on disk, and how many files it has. What vanishes meanwhile counts as gone.
pub(super) fn disk(dir: &Path) -> (u64, usize) {
    let (mut bytes, mut files) = (0, 0);
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        if metadata.is_dir() {
            let (below, of_files) = disk(&entry.path());
            bytes += below;
            files += of_files;
        } else {
            bytes += metadata.blocks() * 512;
            files += 1;
        }
    }
    (bytes, files)
}

/// What a figure depends on: cores, processor and kernel.
pub(super) fn machine() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find(|line| line.starts_with("model name"));
    let model = model.and_then(|line| line.split_once(": ")).map_or("unknown processor", |(_, model)| model);
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!("{cores} cores, {model}, {} {}", std::env::consts::OS, kernel.trim_end())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        assert!(rss_bytes(None) > 100_000);
        assert_eq!(rss_bytes(None) / 100_000_000, rss_bytes(Some(std::process::id())) / 100_000_000);
        assert!(cpu_us() < 3_600_000_000);
        assert!(machine().contains("cores"));
    }

    #[test]
    fn a_directory_is_counted_with_all_below_it() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("below")).unwrap();
        fs::write(dir.path().join("below/file"), [1; 10_000]).unwrap();
        let (bytes, files) = disk(dir.path());
        assert!((10_000..100_000).contains(&bytes), "{bytes}");
        assert_eq!(files, 1);
    }
}
