//! What Linux says of this process, under the names that every Prometheus client library gives it. Where the system does
//! not say, a figure is left out.

use std::fs;

use super::page::Page;

/// Ticks a second in `/proc/*/stat`: Linux shows user space 100 Hz on every architecture.
const TICKS: f64 = 100.0;

/// A page of what there is.
pub(crate) fn metrics() -> String {
    let mut page = Page::default();
    if let Some(stat) = Stat::read() {
        page.counter("process_cpu_seconds_total", "CPU time of all threads.", stat.cpu_seconds);
        page.gauge("process_resident_memory_bytes", "Memory in RAM.", stat.resident_bytes);
        page.gauge("process_start_time_seconds", "When the process started, since 1970.", stat.started);
    }
    // One of them is the look itself.
    if let Ok(open) = fs::read_dir("/proc/self/fd") {
        let open = open.count().saturating_sub(1);
        page.gauge("process_open_fds", "Files and sockets that are open.", open);
    }
    if let Some(most) = open_fds_max() {
        page.gauge("process_max_fds", "Files and sockets that may be open.", most);
    }
    page.into_text()
}

struct Stat {
    cpu_seconds: f64,
    resident_bytes: u64,
    started: f64,
}

impl Stat {
    fn read() -> Option<Self> {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // The name, in parentheses, may hold anything; the fields after it are numbers, from the third of all on.
        let fields: Vec<&str> = stat.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |field: usize| fields.get(field - 3)?.parse::<f64>().ok();
        let boot: f64 = line_of("/proc/stat", "btime ")?.parse().ok()?;
        let resident = line_of("/proc/self/status", "VmRSS:")?;
        let resident: u64 = resident.trim_end_matches(" kB").parse().ok()?;
        Some(Self {
            cpu_seconds: (ticks(14)? + ticks(15)?) / TICKS,
            resident_bytes: resident * 1_024,
            started: boot + ticks(22)? / TICKS,
        })
    }
}

fn open_fds_max() -> Option<u64> {
    line_of("/proc/self/limits", "Max open files")?.split_whitespace().next()?.parse().ok()
}

/// What stands behind the beginning of a line.
fn line_of(path: &str, begins: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    text.lines().find_map(|line| line.strip_prefix(begins)).map(|rest| rest.trim().to_owned())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_tells_of_this_process() {
        let page = metrics();
        let value = |name: &str| -> f64 {
            let line = page.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
            line.unwrap_or_else(|| panic!("{name}: {page}")).parse().unwrap()
        };
        assert!(value("process_resident_memory_bytes") > 1e5);
        assert!(value("process_open_fds") >= 3.0 && value("process_open_fds") <= value("process_max_fds"));
        let now = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        // The kernel's clock ticks since boot, and its time of boot is in whole seconds.
        assert!((now - value("process_start_time_seconds")).abs() < 3_600.0);
        assert!(value("process_cpu_seconds_total") < 3_600.0);
    }
}
