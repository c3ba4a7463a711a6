//! The base score of a CVSS 3 vector: <https://www.first.org/cvss/v3.1/specification-document>

/// From 0 to 10; none if `vector` is no CVSS 3 vector with all base metrics.
pub(super) fn base_score(vector: &str) -> Option<f64> {
    if !vector.starts_with("CVSS:3") || vector.len() > 256 {
        return None;
    }
    let metric = |name: &str| {
        vector
            .split('/')
            .filter_map(|part| part.split_once(':'))
            .find(|(key, _)| *key == name)
            .map(|(_, value)| value)
    };
    let changes_scope = metric("S")? == "C";
    let vector_of_attack = match metric("AV")? {
        "N" => 0.85,
        "A" => 0.62,
        "L" => 0.55,
        "P" => 0.2,
        _ => return None,
    };
    let complexity = match metric("AC")? {
        "L" => 0.77,
        "H" => 0.44,
        _ => return None,
    };
    let privileges = match (metric("PR")?, changes_scope) {
        ("N", _) => 0.85,
        ("L", false) => 0.62,
        ("L", true) => 0.68,
        ("H", false) => 0.27,
        ("H", true) => 0.5,
        _ => return None,
    };
    let interaction = match metric("UI")? {
        "N" => 0.85,
        "R" => 0.62,
        _ => return None,
    };
    let loss = |name: &str| match metric(name)? {
        "H" => Some(0.56),
        "L" => Some(0.22),
        "N" => Some(0.0),
        _ => None,
    };
    let base: f64 = 1.0 - (1.0 - loss("C")?) * (1.0 - loss("I")?) * (1.0 - loss("A")?);
    let impact = if changes_scope {
        7.52 * (base - 0.029) - 3.25 * (base - 0.02).powi(15)
    } else {
        6.42 * base
    };
    if impact <= 0.0 {
        return Some(0.0);
    }
    let exploitability = 8.22 * vector_of_attack * complexity * privileges * interaction;
    let factor = if changes_scope { 1.08 } else { 1.0 };
    let score = (factor * (impact + exploitability)).min(10.0);
    // The specification rounds up, and says how not to trip over floating point.
    let hundred_thousandths = (score * 100_000.0).round();
    Some(if hundred_thousandths % 10_000.0 == 0.0 {
        hundred_thousandths / 100_000.0
    } else {
        ((hundred_thousandths / 10_000.0).floor() + 1.0) / 10.0
    })
}

#[cfg(test)]
mod tests {
    use super::base_score;

    #[test]
    fn scores_are_those_of_the_specification() {
        for (vector, score) in [
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H", Some(9.8)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:C/C:H/I:H/A:H", Some(10.0)),
            ("CVSS:3.0/AV:N/AC:L/PR:L/UI:N/S:C/C:L/I:L/A:N", Some(6.4)),
            ("CVSS:3.1/AV:L/AC:H/PR:N/UI:R/S:U/C:N/I:N/A:L", Some(2.5)),
            ("CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:N/I:N/A:N", Some(0.0)),
            ("CVSS:4.0/AV:N/AC:L/AT:N", None),
            ("CVSS:3.1/AV:N", None),
        ] {
            assert_eq!(base_score(vector), score, "{vector}");
        }
    }
}
