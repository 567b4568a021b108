//! The files that are compiled in: every one of the folders `dialects` and `samples`, as `build.rs` lists them.

include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_files_are_there_and_sorted() {
        let home = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let count = |folder| std::fs::read_dir(home.join(folder)).unwrap().count();
        assert_eq!(DIALECTS.len(), count("dialects"));
        assert_eq!(SAMPLES.iter().filter(|(system, ..)| *system == "xpath").count(), count("samples/xpath"));
        assert!(DIALECTS.is_sorted_by(|one, next| one.0 < next.0));
        assert!(SAMPLES.is_sorted_by(|one, next| (one.0, one.1) < (next.0, next.1)));
    }
}
