//! The files that are compiled in: every one of the folders `dialects`, `catalogues` and `samples`, as `build.rs` lists them.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_there_and_sorted() {
        let count = |folder: &str, extension: &str| {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            let paths = folder.read_dir().unwrap().map(|entry| entry.unwrap().path());
            paths.filter(|path| path.extension().is_some_and(|own| own == extension)).count()
        };
        assert_eq!(DIALECTS.len(), count("dialects", "toml"));
        assert_eq!(CATALOGUES.len(), count("catalogues", "toml"));
        for system in SAMPLES.iter().map(|sample| sample.0) {
            let own = SAMPLES.iter().filter(|sample| sample.0 == system).count();
            assert_eq!(own, count(&format!("samples/{system}"), "json"), "{system}");
        }
        assert!(DIALECTS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(SAMPLES.is_sorted_by(|one, next| (one.0, one.1) < (next.0, next.1)));
    }
}
