//! YARA rules over the files of a package: a few of our own, and the owner's.
