"""Claims in the metadata of committed offsets."""

from exporter.sinks.kafka.claims import Claim, Claims


def test_a_claim_replaces_the_replica_s_one_before_and_keeps_the_others() -> None:
    claims = Claims("t", {}).added("a", Claim(0, 5)).added("b", Claim(5, 9)).added("a", Claim(9, 12))
    restored = Claims.of(claims.text, "t")
    assert restored == claims
    assert restored is not None
    assert restored.by_replica == {"b": Claim(5, 9), "a": Claim(9, 12)}


def test_the_replicas_that_claimed_longest_ago_are_forgotten_past_what_a_broker_takes() -> None:
    claims = Claims("t" * 22, {})
    for number in range(500):
        claims = claims.added(f"{number:012x}", Claim(10**15 + number, 10**15 + number + 1))
    assert len(claims.text) <= 4096
    kept = Claims.of(claims.text, "")
    assert kept is not None
    assert len(kept.by_replica) >= 75
    assert f"{499:012x}" in kept.by_replica


def test_claims_of_another_topic_or_of_nobody_are_none() -> None:
    text = Claims("first", {"a": Claim(0, 5)}).text
    assert Claims.of(text, "second") is None
    assert Claims.of(text, "") == Claims("first", {"a": Claim(0, 5)})
    for metadata in (None, "", "somebody else's", "[]", '{"topic": "t", "claims": [[1]]}'):
        assert Claims.of(metadata, "t") == Claims("t", {})
