//! How to check a bag by hand, with programs that are everywhere.

use evidence::{CaseId, PAYLOAD_TYPE, keys};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The text. `signed` says which key, by its id, signed which manifests.
pub(crate) fn text(id: &CaseId, signed: &BTreeMap<String, Vec<u32>>) -> String {
    let mut text = format!(
        "# How to verify this bag\n\
         \n\
         It holds the case `{id}`. The programs are `sha256sum` (GNU coreutils; on macOS write\n\
         `shasum -a 256`) and `openssl`. Run every block in a shell, in the folder of this file; each ends\n\
         with an error if anything differs. `coldcase verify FOLDER` does all of it at once.\n\
         \n\
         ## 1. Every file is as it was exported\n\
         \n\
         ```sh\n\
         sha256sum --strict --quiet -c tagmanifest-sha256.txt\n\
         sha256sum --strict --quiet -c manifest-sha256.txt\n\
         test \"$(find data -type f | wc -l)\" -eq \"$(wc -l < manifest-sha256.txt)\"\n\
         ```\n\
         \n\
         This shows damage. Whoever alters a bag on purpose writes these lists anew: the next steps show\n\
         that.\n\
         \n\
         ## 2. Every exhibit is what was sealed, and the chain is whole\n\
         \n\
         Each manifest's list has the digests of its exhibits and of the manifest before it.\n\
         \n\
         ```sh\n\
         cd data/cases/{id}\n\
         for list in manifest-*.sha256; do\n\
         \x20 test ! -s \"$list\" || sha256sum --strict --quiet -c \"$list\"\n\
         done\n\
         ```\n\
         \n\
         ## 3. Every manifest is signed\n\
         \n\
         What is signed is DSSE's pre-authentication encoding: a line that names type and length, then the\n\
         manifest. The lists of step 2 are not signed themselves: each says what its manifest says, which\n\
         `coldcase verify` compares.\n"
    );
    for (key_id, numbers) in signed {
        let key = keys::signer(id, key_id);
        let key = key.rsplit('/').next().unwrap_or_default();
        let numbers: Vec<String> = numbers
            .iter()
            .map(|number| format!("{number:04}"))
            .collect();
        // Writing into memory does not fail.
        let _ = write!(
            text,
            "\n```sh\n\
             cd data/cases/{id}\n\
             for number in {}; do\n\
             \x20 {{ printf 'DSSEv1 {} {PAYLOAD_TYPE} %s ' \"$(wc -c < manifest-$number.json | tr -d ' ')\"\n\
             \x20   cat manifest-$number.json; }} |\n\
             \x20   openssl dgst -sha256 -verify {key} -signature manifest-$number.sig\n\
             done\n\
             ```\n",
            numbers.join(" "),
            PAYLOAD_TYPE.len(),
        );
    }
    text.push_str(
        "\n## 4. Whose key it is\n\
         \n\
         A key that comes with the evidence shows that all of it fits together, not who sealed it. Compare\n\
         its digest with what the account's owner says, or with the key in AWS (`aws kms get-public-key`).\n",
    );
    for key_id in signed.keys() {
        let key = keys::signer(id, key_id);
        let _ = write!(
            text,
            "\n```sh\n\
             openssl pkey -pubin -in data/{key} -outform DER | sha256sum | grep -q '^{key_id} '\n\
             ```\n"
        );
    }
    text.push_str(
        "\n## What this cannot show\n\
         \n\
         - That no last addendum was taken away before or after the export: whoever can write this bag can\n\
         \x20 shorten it. `Coldcase-Last-Manifest` in bag-info.txt says which one was the last; ask for the digest of\n\
         \x20 `tagmanifest-sha256.txt` as it was told when the case was exported, or look into the vault.\n\
         - That the function's record as good (`data/baselines/`) says the truth: it is not sealed in the\n\
         \x20 case.\n\
         - Anything of the reports (`data/reports/`): they are made of what is sealed, for people to read.\n\
         \n\
         Not in this bag: the pages of the window as the provider gave them (`windows/` in the vault), of\n\
         which the sealed exhibits were made.\n",
    );
    text
}
