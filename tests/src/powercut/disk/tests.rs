use super::*;

/// A folder with the file `old` in it, which holds `before`.
fn disk() -> (tempfile::TempDir, Disk) {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy");
    fs::create_dir_all(copy.join("db")).expect("making a folder");
    fs::write(copy.join("old"), "before").expect("writing");
    let disk = Disk::of(&copy);
    (folder, disk)
}

fn after(
    folder: &tempfile::TempDir,
    disk: &Disk,
    kept: Kept,
    seed: u64,
) -> BTreeMap<String, String> {
    let to = folder.path().join(format!("{kept:?}-{seed}"));
    disk.write_to(&to, kept, &mut Random::new(seed));
    let files = fs::read_dir(&to).expect("a folder").map(|it| it.expect("an entry"));
    files
        .filter(|it| it.path().is_file())
        .map(|it| {
            let name = it.file_name().into_string().expect("a name");
            (name, String::from_utf8_lossy(&fs::read(it.path()).expect("a file")).into_owned())
        })
        .collect()
}

fn replace_old(disk: &mut Disk, sync_file: bool, sync_folder: bool) {
    disk.opened("", 1);
    disk.created("tmp", 7, 0o600);
    disk.written(7, 0, b"after");
    if sync_file {
        disk.sync_began(7, 1);
        disk.sync_ended(7, 1);
    }
    disk.renamed("tmp", "old");
    if sync_folder {
        disk.sync_began(1, 2);
        disk.sync_ended(1, 2);
    }
}

#[test]
fn what_was_synced_with_its_name_is_certain() {
    let (folder, mut disk) = disk();
    replace_old(&mut disk, true, true);
    let expected = BTreeMap::from([("old".to_owned(), "after".to_owned())]);
    for kept in [Kept::Nothing, Kept::Everything, Kept::Beginning, Kept::Anything] {
        for seed in 0..20 {
            assert_eq!(after(&folder, &disk, kept, seed), expected);
        }
    }
    assert_eq!((disk.seen().file_syncs, disk.seen().folder_syncs), (1, 1));
}

#[test]
fn a_name_without_a_sync_of_its_folder_may_be_the_old_one() {
    let (folder, mut disk) = disk();
    replace_old(&mut disk, true, false);
    assert_eq!(after(&folder, &disk, Kept::Nothing, 0)["old"], "before");
    assert_eq!(after(&folder, &disk, Kept::Everything, 0)["old"], "after");
    let both: Vec<_> = (0..40).map(|seed| after(&folder, &disk, Kept::Beginning, seed)).collect();
    assert!(both.iter().any(|it| it["old"] == "before" && !it.contains_key("tmp")));
    assert!(both.iter().any(|it| it["old"] == "before" && it.contains_key("tmp")));
    assert!(both.iter().any(|it| it["old"] == "after"));
}

#[test]
fn a_content_without_a_sync_may_be_missing_behind_a_certain_name() {
    let (folder, mut disk) = disk();
    replace_old(&mut disk, false, true);
    assert_eq!(after(&folder, &disk, Kept::Nothing, 0)["old"], "");
    let some: Vec<_> =
        (0..40).map(|seed| after(&folder, &disk, Kept::Beginning, seed)["old"].clone()).collect();
    assert!(some.iter().any(|it| it == "aft"), "{some:?}");
}

#[test]
fn a_sync_covers_what_came_before_it_began_and_counts_once_it_ended() {
    let (folder, mut disk) = disk();
    disk.opened("old", 5);
    disk.written(5, 6, b" one");
    disk.sync_began(5, 1);
    disk.written(5, 10, b" two");
    assert_eq!(after(&folder, &disk, Kept::Nothing, 0)["old"], "before", "it is under way");
    disk.sync_ended(5, 1);
    assert_eq!(after(&folder, &disk, Kept::Nothing, 1)["old"], "before one");
    assert_eq!(disk.seen().unsynced, 1);
}

#[test]
fn torn_writes_lose_whole_sectors_and_nothing_that_was_certain() {
    let (folder, mut disk) = disk();
    disk.opened("old", 5);
    disk.written(5, 0, &[b'c'; 1000]);
    disk.sync_began(5, 1);
    disk.sync_ended(5, 1);
    disk.written(5, 1000, &[b'n'; 9000]);
    let mut lengths = std::collections::BTreeSet::new();
    let mut has_hole = false;
    for seed in 0..60 {
        let text = after(&folder, &disk, Kept::Anything, seed)["old"].clone().into_bytes();
        assert_eq!(text[..1000], [b'c'; 1000]);
        // Up to the first border of a sector the write shares it with what was there.
        let torn = text.get(1024..).unwrap_or_default();
        for sector in torn.chunks(512) {
            assert!(sector.iter().all(|it| *it == sector[0]), "torn inside a sector");
        }
        has_hole |= torn.contains(&0);
        lengths.insert(text.len());
    }
    assert!(lengths.len() > 3 && has_hole, "{lengths:?}");
}
