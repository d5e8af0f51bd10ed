//! What a new mount must not meet.

use crate::domain::attachment::Attachment;
use crate::domain::error::{Error, Result};
use crate::domain::names::AppName;

pub(crate) fn refuse_collision<'a>(
    app: &AppName,
    attachment: &Attachment,
    others: impl IntoIterator<Item = &'a Attachment>,
) -> Result<()> {
    match attachment.collision(others) {
        None => Ok(()),
        Some(other) => Err(Error::refused(format!(
            "container path \"{}\" on {app} is taken by storage entry \"{}\" (phases {}, process type {}); unmount that one first or mount at another path",
            attachment.container_path, other.entry_name, other.phases, other.process_type
        ))),
    }
}
