import json
import math

from shared.score import Reason, canonical, points, reasons_json, reasons_text


def _json(*texts: str) -> str:
    return reasons_json(tuple(Reason("f", (-1.0) ** i, text) for i, text in enumerate(texts)))


def test_the_base_rate_is_500_points_and_twice_the_odds_50_more() -> None:
    base = math.log(0.03 / 0.97)
    assert points(base, 0.03) == 500
    assert points(base + math.log(2), 0.03) == 550
    assert points(base - 2 * math.log(2), 0.03) == 400


def test_reasons_are_one_text_with_their_direction() -> None:
    assert reasons_text(_json("moved twice", "large firm")) == "+ moved twice; - large firm"
    assert reasons_text("[]") == ""


def test_reasons_never_exceed_the_field_and_end_at_a_whole_reason() -> None:
    text = reasons_text(_json(*["nine words that say something about this one lead"] * 9))
    assert len(text) <= 255
    assert text.endswith("this one lead")


def test_a_single_endless_reason_is_cut_at_a_word() -> None:
    text = reasons_text(_json("word " * 100))
    assert len(text) <= 255
    assert text.endswith("word…")


def test_the_same_vector_gives_the_same_bytes_whatever_its_order() -> None:
    assert canonical({"b": 1.0, "a": None}) == canonical({"a": None, "b": 1.0})
    assert json.loads(canonical({"a": 0.1 + 0.2}))["a"] == 0.1 + 0.2
