//! The host's time zone, and the time since it was started.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::domain::Zone;

/// Where a host keeps its time zone (localtime(5)).
const FILE: &str = "/etc/localtime";

/// The host's time zone, which cron goes by; UTC where it has none.
pub(crate) fn zone() -> Zone {
    let content = std::fs::read(FILE).ok();
    content.and_then(|content| Zone::of_file(&content)).unwrap_or_else(Zone::utc)
}

/// The time since the host was started, which goes on while it sleeps, and which nobody sets.
pub(crate) fn since_start() -> Duration {
    Duration::try_from(clock_gettime(ClockId::Boottime)).unwrap_or_default()
}
