//! What is said of a wrong file.

use super::*;

#[test]
fn a_wrong_file_is_refused_with_every_mistake_and_its_line() {
    let text = "id = \"own\"\nsumary = \"x\"\n\n[vocabulary]\nkind = \"half\"\n\n[body]\ntemplate = '''\n{\n  \"a\": $nothing\n}\n'''\n\n[headers]\nHost = \"x\"\nX-A = \"$data.\"\n\n[signature]\nheader = \"X-Sig\"\ncontent = \"$body\"\nencoding = \"base32\"\nscheme = { secret = \"text\", algorithm = \"md5\" }\n\n[[acknowledgement]]\nwhen = { \"$status\" = 1.5 }\nverdict = \"shrug\"\n";
    let mistakes = Dialect::parse(text).unwrap_err();
    let found: Vec<_> = mistakes.iter().map(|mistake| (mistake.line, mistake.field.as_str())).collect();
    for expected in [
        (1, "id"),
        (2, "sumary"),
        (5, "vocabulary.kind"),
        (10, "body.template"),
        (15, "headers.Host"),
        (21, "signature.encoding"),
        (22, "signature.scheme.algorithm"),
        (25, "acknowledgement.when.$status"),
        (26, "acknowledgement.verdict"),
    ] {
        assert!(found.contains(&expected), "{expected:?} of {mistakes:#?}");
    }
    assert!(mistakes.iter().all(|mistake| !mistake.message.is_empty()));
    let broken = Dialect::parse("id = \"a\nb").unwrap_err();
    assert_eq!(broken[0].line, 1, "{broken:?}");
}
