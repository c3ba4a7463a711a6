"""What the account says of itself, and whom it hands out."""


def test_says_where_it_is_and_hands_out_an_administrator(account):
    assert account.where["account"] == "111122223333" and account.where["region"] == "us-east-1"
    assert account.endpoint.startswith("http://127.0.0.1:")
    assert account.client("sts").get_caller_identity()["Arn"] == "arn:aws:iam::111122223333:user/administrator"
