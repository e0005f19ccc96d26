//! The disk on which a file lies.

use std::path::{Path, PathBuf};

/// Bytes that a file may still take on its disk; `None` where the system does not tell.
pub fn free(file: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder_of(file)).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}

/// The folder in which a file is, or would be: the nearest one that is there.
pub fn folder_of(file: &Path) -> PathBuf {
    let whole = std::path::absolute(file).unwrap_or_else(|_| file.to_owned());
    let found = whole.ancestors().skip(1).find(|folder| folder.is_dir());
    found.map_or_else(|| PathBuf::from("/"), Path::to_owned)
}

/// The folder that the name of a file says it is in, whether it is there or not.
pub fn parent_of(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_that_of_the_folder_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("not").join("yet").join("plant.db");
        assert_eq!(folder_of(&store), folder.path());
        assert!(free(&store).is_some());
    }
}
