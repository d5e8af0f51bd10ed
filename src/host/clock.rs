//! The host's time zone.

use crate::domain::Zone;

/// Where a host keeps its time zone (localtime(5)).
const FILE: &str = "/etc/localtime";

/// The host's time zone, which cron goes by; UTC where it has none.
pub(crate) fn zone() -> Zone {
    let content = std::fs::read(FILE).ok();
    content.and_then(|content| Zone::of_file(&content)).unwrap_or_else(Zone::utc)
}
