from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from calque.data import download, fetch, get
from calque.errors import DataError

EWT = "UD_English-EWT"


def tree(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def test_a_treebank_comes_with_its_splits_licence_and_read_me(host: Any) -> None:
    found = fetch(EWT)
    assert [p.name for p in found.paths] == ["en_ewt-ud-train.conllu", "en_ewt-ud-dev.conllu", "en_ewt-ud-test.conllu"]
    assert found.paths[2].read_bytes() == host.conllu("cats sleep in 2.17")
    assert found.licence == "CC BY-SA 4.0" and found.with_text
    assert tree(found.folder) == {p.name for p in found.paths} | {"README.md", "LICENSE.txt", ".listing.json"}
    assert found.folder.parts[-3:] == ("ud", "r2.17", EWT)


def test_what_is_here_needs_no_network(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    paths = get("en_ewt", release="2.17")
    monkeypatch.setenv("CALQUE_UD_API", "http://127.0.0.1:9/api")
    asked = len(host.asked)
    assert get(EWT) == paths
    assert get(EWT, splits=["dev"]) == [paths[1]]
    assert len(host.asked) == asked


def test_only_the_splits_asked_for_are_fetched(host: Any) -> None:
    assert [p.name for p in get(EWT, splits=["test"])] == ["en_ewt-ud-test.conllu"]
    assert not any(path.endswith("train.conllu") for path in host.asked)
    assert len(get(EWT)) == 3  # and the others when they are wanted


def test_a_train_set_in_several_files_comes_whole(host: Any) -> None:
    names = [p.name for p in get("UD_Czech-PDT")]
    assert names == [f"cs_pdt-ud-{part}.conllu" for part in ("train-c", "train-l", "train-m", "dev", "test")]


def test_releases_are_kept_apart(host: Any) -> None:
    old, new = get(EWT, release="r2.16", splits=["test"]), get(EWT, release="latest", splits=["test"])
    assert old != new and b"2.16" in old[0].read_bytes() and b"2.17" in new[0].read_bytes()


def test_a_folder_of_ones_own(host: Any, tmp_path: Path) -> None:
    paths = get(EWT, directory=tmp_path / "mine")
    assert paths[0] == tmp_path / "mine" / EWT / "en_ewt-ud-train.conllu"
    assert not (tmp_path / "cache").exists()
    with pytest.raises(DataError, match=r"holds release 2\.17"):
        get(EWT, release="2.16", directory=tmp_path / "mine")


def test_a_file_of_the_users_is_never_written_over(host: Any, tmp_path: Path) -> None:
    mine = tmp_path / "mine" / EWT / "en_ewt-ud-dev.conllu"
    mine.parent.mkdir(parents=True)
    mine.write_text("my corrections\n")
    with pytest.raises(DataError, match="would be lost"):
        get(EWT, directory=tmp_path / "mine")
    assert mine.read_text() == "my corrections\n"


def test_a_damaged_file_in_the_cache_is_fetched_again(host: Any) -> None:
    path = get(EWT, splits=["dev"])[0]
    path.write_bytes(b"x" * path.stat().st_size)
    assert get(EWT, splits=["dev"])[0].read_bytes() == host.conllu("dogs sleep")


def test_an_unknown_name_an_unknown_release_and_an_unknown_split_say_what_there_is(host: Any) -> None:
    with pytest.raises(DataError, match="did you mean UD_English-EWT"):
        get("UD_English-EWTT")
    with pytest.raises(DataError, match=r"UD 2\.3 has no UD_English-EWT: it is in 2\.16, 2\.17"):
        get(EWT, release="2.3")
    with pytest.raises(DataError, match="'validation' is no split"):
        get(EWT, splits=["validation"])
    with pytest.raises(DataError, match="no UD release"):
        get(EWT, release="newest")
    host.put("UD_Abaza-ATB", "2.17", {"abq_atb-ud-test.conllu": host.conllu("a")})
    with pytest.raises(DataError, match=r"has no train: it has test"):
        get("UD_Abaza-ATB", splits=["train"])


def test_failures_leave_nothing_behind(host: Any, tmp_path: Path) -> None:
    with pytest.raises(DataError):
        get("UD_English-EWTT")
    assert not list((tmp_path / "cache" / "ud" / "r2.17").glob("*"))


def test_a_cut_connection_is_gone_on_with(host: Any) -> None:
    host.cut = {"train.conllu": 10_000}
    path = get(EWT, splits=["train"])[0]
    assert path.stat().st_size == len(host.files[EWT, "2.17"][path.name])
    assert [h.get("Range") for h, p in zip(host.headers, host.asked, strict=True) if p.endswith("train.conllu")] == [
        None,
        "bytes=10000-",
    ]


def test_a_server_that_knows_no_ranges_sends_the_file_again(host: Any) -> None:
    host.cut, host.ranges = {"train.conllu": 10_000}, False
    path = get(EWT, splits=["train"])[0]
    assert path.read_bytes() == host.files[EWT, "2.17"][path.name]


def test_an_interrupted_fetch_goes_on_the_next_time(host: Any, tmp_path: Path) -> None:
    def stop(file: str, done: int, total: int) -> None:
        if done > 0 and file.endswith("train.conllu"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        get(EWT, splits=["train"], progress=stop)
    folder = tmp_path / "cache" / "ud" / "r2.17" / EWT
    assert not (folder / "en_ewt-ud-train.conllu").exists()
    part = next(folder.glob(".en_ewt-ud-train.conllu.*.part"))
    held = part.stat().st_size
    seen: list[int] = []
    get(EWT, splits=["train"], progress=lambda file, done, total: seen.append(done) if "train" in file else None)
    assert held == 0 or seen[0] == held
    assert not list(folder.glob("*.part")) and not list(folder.glob(".*.part"))


def test_what_does_not_match_the_listing_never_gets_in_place(host: Any, tmp_path: Path) -> None:
    good = host.files[EWT, "2.17"]["en_ewt-ud-test.conllu"]
    host.trouble = lambda path, times: (200, {}, b"X" + good[1:]) if path.endswith("test.conllu") else None
    with pytest.raises(DataError, match="not what its listing promises"):
        get(EWT, splits=["test"])
    assert not list((tmp_path / "cache").rglob("*test.conllu*"))


def test_an_endless_answer_is_cut_off(host: Any) -> None:
    host.trouble = lambda path, times: (200, {}, b"#" * 500_000) if path.endswith("dev.conllu") else None
    with pytest.raises(DataError, match="not what its listing promises"):
        get(EWT, splits=["dev"])


def test_a_file_that_is_no_conllu_never_gets_in_place(host: Any, tmp_path: Path) -> None:
    host.put(EWT, "2.15", {"en_ewt-ud-test.conllu": b"1\tonly three\tcolumns\n\n", "en_ewt-ud-dev.conllu": b""})
    with pytest.raises(DataError, match=r"not valid CoNLL-U.*en_ewt-ud-test\.conllu:1"):
        get(EWT, release="2.15", splits=["test"])
    with pytest.raises(DataError, match="no sentence"):
        get(EWT, release="2.15", splits=["dev"])
    assert not list((tmp_path / "cache").rglob("*.conllu*"))


def test_passing_faults_are_tried_again(host: Any) -> None:
    host.trouble = lambda path, times: (503, {}, b"") if times < 2 else None
    assert get(EWT, splits=["dev"])


def test_a_server_that_stays_away_is_an_error_with_advice(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    host.trouble = lambda path, times: (502, {}, b"")
    with pytest.raises(DataError, match=r"cannot reach 127\.0\.0\.1.*502.*proxy"):
        get(EWT)
    monkeypatch.setenv("CALQUE_UD_API", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="cannot reach"):
        get(EWT)
    with pytest.raises(DataError, match=r"cannot reach.*did you mean UD_English-EWT\?"):
        get("UD_English-EWTT")
    monkeypatch.setenv("CALQUE_UD_API", "file:///etc")
    with pytest.raises(DataError, match="not an http"):
        get(EWT)


@pytest.mark.parametrize(
    ("status", "headers"),
    [(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1900000000"}), (429, {"Retry-After": "60"})],
)
def test_a_rate_limit_says_what_to_do(host: Any, status: int, headers: dict[str, str]) -> None:
    host.trouble = lambda path, times: (status, headers, b"{}")
    with pytest.raises(DataError, match=r"limits.*(until \d\d:\d\d|for 60 seconds).*GITHUB_TOKEN"):
        get(EWT)
    assert len(host.asked) == 1  # a refusal is not hammered


def test_other_refusals_and_odd_answers_are_said(host: Any) -> None:
    host.trouble = lambda path, times: (403, {}, b"")
    with pytest.raises(DataError, match="refuses"):
        get(EWT)
    host.trouble = lambda path, times: (401, {}, b"")
    with pytest.raises(DataError, match="GITHUB_TOKEN is not accepted"):
        get(EWT)
    host.trouble = lambda path, times: (200, {}, b"<html>log in</html>")
    with pytest.raises(DataError, match="not JSON"):
        get(EWT)
    host.trouble = lambda path, times: (200, {}, b'{"message": "hello"}')
    with pytest.raises(DataError, match="not a listing"):
        get(EWT)


def test_a_token_goes_to_its_owner_alone(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    get(EWT, splits=["dev"])
    assert not any("Authorization" in h for h in host.headers)
    sent: list[Any] = []

    def record(request: Any, timeout: float) -> Any:
        sent.append(request)
        raise TimeoutError

    monkeypatch.setattr(download.urllib.request, "urlopen", record)
    with pytest.raises(DataError):
        download.get_json("https://api.github.com/repos/x/y")
    assert sent[0].unredirected_hdrs["Authorization"] == "Bearer secret"


def test_a_name_from_a_listing_cannot_leave_the_folder(host: Any, tmp_path: Path) -> None:
    files = {"../../evil-ud-test.conllu": b"x", "/etc/en_x-ud-test.conllu": b"x", "en_ewt-ud-test.conllu": host.conllu("a")}
    host.put(EWT, "2.17", files)
    assert [p.name for p in get(EWT)] == ["en_ewt-ud-test.conllu"]
    assert not list(tmp_path.rglob("*evil*"))


def test_too_little_disk_is_said_before_anything_is_fetched(host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 10, 0))
    with pytest.raises(DataError, match="are free"):
        get(EWT)
    assert not any(path.startswith("/raw") for path in host.asked)


def test_a_folder_that_cannot_be_written_is_said(host: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match="cannot be written"):
        get(EWT, directory=tmp_path / "file")


def test_withheld_words_are_noticed(host: Any) -> None:
    host.put(EWT, "2.17", {"README.md": b"Includes text: no\nLicence: X\n", "en_ewt-ud-test.conllu": host.conllu("_ _")})
    found = fetch(EWT)
    assert not found.with_text and found.licence == "X"
