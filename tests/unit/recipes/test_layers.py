"""Layers: one content, one digest, wherever and whenever; nothing climbs out on the way back."""

import gzip
import hashlib
import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.manifest import ImageManifest, parse_manifest
from recipes import encoding, layers, unpacking
from recipes.encoding import StoredGzip
from recipes.errors import InvalidLayer, NotAPackage, UnsafePath
from recipes.layers import (
    build_release,
    unpack_layer,
    wheel_set_manifest,
    write_layer,
)
from recipes.package import (
    Entry,
    PackageMetadata,
    PythonStep,
    Wheel,
)

TITLE = "team/etl-1.2.3/recipe"

CONFIG = """\
schema_version: 1
kind: job
resources:
  cpu: 500m
  memory: 256Mi
network: none
secrets: []
configuration: {}
"""

# Of the tree that `a_tree` makes. If this changes, every release made before gets another digest.
GOLDEN = "sha256:d19743c294d25dde365b1d79cda88a03993e94b202188c2c8c1d5b2de91324fd"


def a_tree(below: Path) -> Path:
    tree = below / "team" / "etl-1.2.3"
    (tree / "recipe" / "steps").mkdir(parents=True)
    (tree / "metadata").mkdir()
    (tree / "recipe" / "run_recipe.py").write_text("print('hello')\n")
    (tree / "recipe" / "recipe.yaml").write_text("steps: []\n")
    (tree / "recipe" / "steps" / "straße.py").write_text("x = 'ß'\n")
    (tree / "recipe" / "steps" / ("long_" * 30 + ".csv")).write_bytes(b"1,2\n" * 50_000)
    (tree / "recipe" / "steps-extra").mkdir()
    script = tree / "recipe" / "steps" / "go.sh"
    script.write_text("#!/bin/sh\n")
    script.chmod(0o777)
    metadata = PackageMetadata(
        name="team/etl",
        version="1.2.3",
        summary="Numbers",
        license="MIT",
        entry=Entry(runner="bundled"),
        steps=[PythonStep(idx=1, name="a", type="python", module="steps.a", function="A")],
    )
    (tree / "metadata" / "package.json").write_bytes(metadata.to_bytes())
    (tree / "metadata" / "deployment_config.yaml").write_text(CONFIG)
    return tree


def a_tar(*entries: tuple[str, bytes, bytes]) -> bytes:
    """A tar of (name, type, content) by the standard library."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, kind, content in entries:
            info = tarfile.TarInfo(name)
            info.type = kind
            info.size = len(content)
            info.linkname = "../../etc/passwd" if kind in {b"1", b"2"} else ""
            tar.addfile(info, io.BytesIO(content))
    return made.getvalue()


def unpack(blob: bytes, into: Path, title: str = TITLE, size: int | None = None) -> dict[str, str]:
    return unpack_layer(io.BytesIO(blob), title, into, size=len(blob) if size is None else size)


FOLDER = (TITLE, tarfile.DIRTYPE, b"")


class TestDrawing:
    def test_the_digest_of_a_known_tree_never_changes(self, tmp_path: Path) -> None:
        release = build_release(a_tree(tmp_path / "in"), tmp_path)

        assert str(release.descriptor.digest) == GOLDEN

    def test_umask_times_owners_and_order_make_no_difference(self, tmp_path: Path) -> None:
        first = build_release(a_tree(tmp_path / "first"), tmp_path)
        before = os.umask(0o077)
        try:
            tree = a_tree(tmp_path / "second")
        finally:
            os.umask(before)
        for path in tree.rglob("*"):
            os.utime(path, (1, 1))
        second = build_release(tree, tmp_path)

        assert first.manifest == second.manifest

    @pytest.mark.parametrize("minor", ["3.11", "3.12", "3.13"])
    def test_every_python_gives_the_same_bytes(self, tmp_path: Path, minor: str) -> None:
        found = sorted(Path("~/.pyenv/versions").expanduser().glob(f"{minor}.*/bin/python"))
        if not found:
            pytest.skip(f"no Python {minor} is here")
        tree = a_tree(tmp_path / "in")
        release = build_release(tree, tmp_path)
        made = subprocess.run(
            [found[-1], "-I", "-c", _WRITE, str(Path(layers.__file__).parent.parent),
             str(tree / "recipe"), TITLE],
            capture_output=True, text=True, check=True,
        )  # fmt: skip

        recipe = next(each for each in release.layers if each.title == TITLE)
        assert made.stdout.strip() == str(recipe.descriptor.digest)

    def test_the_manifest_says_what_the_release_is(self, tmp_path: Path) -> None:
        release = build_release(a_tree(tmp_path / "in"), tmp_path)

        drawn = parse_manifest(release.manifest)
        assert isinstance(drawn, ImageManifest)
        assert drawn.artifact_type == media.PACKAGE
        assert drawn.config == Descriptor.of(release.config, media.PACKAGE_CONFIG)
        assert drawn.annotations == {
            media.TITLE: "team/etl", media.VERSION: "1.2.3",
            media.DESCRIPTION: "Numbers", media.LICENSES: "MIT",
        }  # fmt: skip
        assert [each.annotations for each in drawn.layers] == [
            {media.TITLE: "team/etl-1.2.3/metadata", media.UNPACK: "true"},
            {media.TITLE: TITLE, media.UNPACK: "true"},
        ]

    def test_summary_and_license_may_be_missing(self, tmp_path: Path) -> None:
        tree = a_tree(tmp_path)
        path = tree / "metadata" / "package.json"
        metadata = PackageMetadata.from_bytes(path.read_bytes())
        path.write_bytes(metadata.model_copy(update={"summary": "", "license": None}).to_bytes())

        release = build_release(tree, tmp_path)

        annotations = parse_manifest(release.manifest).annotations
        assert set(annotations) == {media.TITLE, media.VERSION}

    def test_every_file_is_listed_with_its_hash(self, tmp_path: Path) -> None:
        tree = a_tree(tmp_path / "in")
        release = build_release(tree, tmp_path)

        assert release.files == {
            str(path.relative_to(tree)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in tree.rglob("*")
            if path.is_file()
        }
        assert layers.files_of_layers(release.layers) == release.files

    def test_what_is_laid_out_beside_the_layers_is_in_none(self, tmp_path: Path) -> None:
        tree = a_tree(tmp_path / "in")
        before = build_release(tree, tmp_path).manifest
        (tree / "metadata" / "signature.asc").write_text("a signature")
        (tree / "metadata" / "signatures").mkdir()
        (tree / "metadata" / "signatures" / "AB.asc").write_text("a signature")
        (tree / "env").mkdir()

        assert build_release(tree, tmp_path).manifest == before

    def test_other_tools_read_the_blob(self, tmp_path: Path) -> None:
        tree = a_tree(tmp_path / "in")
        layer = write_layer(tree / "recipe", TITLE, tmp_path)

        plain = gzip.decompress(layer.path.read_bytes())
        assert len(plain) % 10_240 == 0
        with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
            members = tar.getmembers()
        assert [each.name for each in members] == sorted(each.name for each in members)
        assert members[0].name == TITLE
        assert {(each.uid, each.gid, each.uname, each.mtime) for each in members} == {
            (0, 0, "", encoding.TIME)
        }
        modes = {each.name.rpartition("/")[2]: each.mode for each in members}
        assert modes["go.sh"] == 0o755
        assert modes["recipe.yaml"] == 0o644
        assert modes["steps-extra"] == 0o755
        assert f"{TITLE}/steps/straße.py" in {each.name for each in members}

    @pytest.mark.parametrize("size", [0, 1, 65_534, 65_535, 65_536, 200_000])
    def test_stored_blocks_hold_any_length(self, size: int) -> None:
        data = os.urandom(size)
        made = io.BytesIO()
        writer = StoredGzip(made)
        for start in range(0, size, 50_001):
            writer.write(data[start : start + 50_001])
        writer.close()

        assert gzip.decompress(made.getvalue()) == data

    def test_a_size_that_ustar_can_not_hold_gets_a_pax_record(self) -> None:
        drawn = encoding.entry_headers("a/b", 0o644, 1 << 34, b"0")

        info = tarfile.TarFile.open(fileobj=io.BytesIO(drawn), mode="r|").next()
        assert info is not None
        assert (info.name, info.size) == ("a/b", 1 << 34)

    @pytest.mark.parametrize("length", [90, 99, 100, 101, 155, 156, 200, 250, 256, 260, 999])
    @pytest.mark.parametrize("folder", [True, False])
    def test_names_of_every_length_are_kept(self, length: int, *, folder: bool) -> None:
        name = ("part/" * length)[: length - 1].rstrip("/") + "x" + ("/" if folder else "")
        drawn = encoding.entry_headers(name, 0o755, 0, b"5" if folder else b"0")

        info = tarfile.TarFile.open(fileobj=io.BytesIO(drawn + bytes(1024)), mode="r|").next()
        assert info is not None
        assert info.name == name.rstrip("/")
        assert info.isdir() == folder

    def test_links_are_refused(self, tmp_path: Path) -> None:
        tree = a_tree(tmp_path)
        (tree / "recipe" / "passwd").symlink_to("/etc/passwd")

        with pytest.raises(UnsafePath, match="plain files"):
            build_release(tree, tmp_path)

    def test_names_that_differ_only_in_case_are_refused(self, tmp_path: Path) -> None:
        tree = a_tree(tmp_path)
        (tree / "recipe" / "Recipe.yaml").write_text("")

        with pytest.raises(UnsafePath, match="only in case"):
            build_release(tree, tmp_path)

    @pytest.mark.parametrize(
        "name", ["metadata/package.json", "metadata/deployment_config.yaml", "recipe/run_recipe.py"]
    )
    def test_a_tree_without_what_it_needs_is_none(self, tmp_path: Path, name: str) -> None:
        tree = a_tree(tmp_path)
        (tree / name).unlink()

        with pytest.raises(NotAPackage, match=name):
            build_release(tree, tmp_path)

    def test_a_file_that_shrinks_or_grows_meanwhile_is_refused(self, tmp_path: Path) -> None:
        file = tmp_path / "file"
        file.write_bytes(b"12345")

        for size in (4, 6):
            with pytest.raises(UnsafePath, match="changed while it was read"):
                encoding._copy(file, size, io.BytesIO())

    def test_a_failure_leaves_no_half_blob(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = tmp_path / "in"
        folder.mkdir()
        (folder / "a").write_text("")
        (tmp_path / "out").mkdir()
        monkeypatch.setattr(encoding, "_copy", _fails)

        with pytest.raises(OSError, match="disk full"):
            write_layer(folder, TITLE, tmp_path / "out")

        assert list((tmp_path / "out").iterdir()) == []

    def test_a_wheel_set_is_a_referrer_of_its_release(self) -> None:
        release = Descriptor.of(b"{}", media.MANIFEST)
        wheels = [
            Wheel(name=each, version="1", filename=f"{each}-1-py3-none-any.whl",
                  sha256=hashlib.sha256(each.encode()).hexdigest(), size=7, tags=["py3-none-any"])
            for each in ("b", "a")
        ]  # fmt: skip

        drawn = parse_manifest(wheel_set_manifest(release, "linux/amd64", wheels))

        assert isinstance(drawn, ImageManifest)
        assert drawn.subject == release
        assert drawn.artifact_type == media.WHEEL_SET
        assert drawn.annotations == {media.PLATFORM: "linux/amd64"}
        assert [each.annotations[media.TITLE] for each in drawn.layers] == [
            "a-1-py3-none-any.whl", "b-1-py3-none-any.whl"
        ]  # fmt: skip


def _fails(*_: object) -> str:
    raise OSError("disk full")


_WRITE = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from recipes.encoding import write_folder
class Sink:
    hash = hashlib.sha256()
    write = hash.update
write_folder(Path(sys.argv[2]), sys.argv[3], Sink())
print("sha256:" + Sink.hash.hexdigest())
"""


class TestUnpacking:
    def test_what_was_drawn_comes_back(self, tmp_path: Path) -> None:
        tree = a_tree(tmp_path / "in")
        release = build_release(tree, tmp_path)
        out = tmp_path / "out"
        out.mkdir()

        for layer in release.layers:
            with layer.path.open("rb") as blob:
                found = unpack_layer(blob, layer.title, out, size=layer.descriptor.size)
            assert found == layer.files

        assert build_release(out / "team" / "etl-1.2.3", tmp_path).manifest == release.manifest
        assert (out / "team/etl-1.2.3/recipe/steps/go.sh").stat().st_mode & 0o777 == 0o755
        assert (out / "team/etl-1.2.3/recipe/recipe.yaml").stat().st_mode & 0o777 == 0o644

    def test_compressed_layers_of_others_are_read(self, tmp_path: Path) -> None:
        text = b"the same line\n" * 20_000
        blob = gzip.compress(a_tar(FOLDER, (f"{TITLE}/a.txt", tarfile.REGTYPE, text)), 1)

        assert list(unpack(blob, tmp_path)) == ["recipe/a.txt"]
        assert (tmp_path / TITLE / "a.txt").read_bytes() == text

    def test_a_title_of_one_segment_is_read(self, tmp_path: Path) -> None:
        blob = gzip.compress(a_tar(("x", b"5", b""), ("x/a", b"0", b"1")))

        assert list(unpack(blob, tmp_path, title="x")) == ["x/a"]

    @pytest.mark.parametrize(
        ("entries", "reason"),
        [
            ([FOLDER, (f"{TITLE}/a", tarfile.SYMTYPE, b"")], "symbolic link"),
            ([FOLDER, (f"{TITLE}/a", tarfile.LNKTYPE, b"")], "hard link"),
            ([FOLDER, (f"{TITLE}/a", tarfile.CHRTYPE, b"")], "a device"),
            ([FOLDER, (f"{TITLE}/a", tarfile.BLKTYPE, b"")], "a device"),
            ([FOLDER, (f"{TITLE}/a", tarfile.FIFOTYPE, b"")], "a pipe"),
            ([FOLDER, (f"{TITLE}/a", tarfile.CONTTYPE, b"")], "of the type b'7'"),
            ([FOLDER, ("/etc/passwd", tarfile.REGTYPE, b"")], "absolute"),
            ([FOLDER, (f"{TITLE}/../../x", tarfile.REGTYPE, b"")], "'..'"),
            ([FOLDER, (f"{TITLE}/./x", tarfile.REGTYPE, b"")], "'.'"),
            ([FOLDER, (f"{TITLE}/a\\b", tarfile.REGTYPE, b"")], "backslash"),
            ([FOLDER, ("team/etl-1.2.3/metadata", tarfile.DIRTYPE, b"")], "outside of the layer"),
            ([FOLDER, (f"{TITLE}-more", tarfile.REGTYPE, b"")], "outside of the layer"),
            ([FOLDER, FOLDER], "stands twice"),
            ([FOLDER, (f"{TITLE}/a", b"0", b""), (f"{TITLE}/A", b"0", b"")], "only in case"),
            ([FOLDER, (f"{TITLE}/a", b"0", b""), (f"{TITLE}/a/b", b"0", b"")], "no entry before"),
            ([FOLDER, (f"{TITLE}/a/b", b"0", b"")], "no entry before"),
            ([(f"{TITLE}/a", b"0", b"")], "no entry before"),
            ([(TITLE, tarfile.REGTYPE, b"")], "a file, not a folder"),
            ([(TITLE, tarfile.DIRTYPE, b"content")], "a folder with content"),
            ([], "it is empty"),
        ],
    )
    def test_an_entry_that_could_do_harm_is_refused(
        self, tmp_path: Path, entries: list[tuple[str, bytes, bytes]], reason: str
    ) -> None:
        into = tmp_path / "into"
        into.mkdir()
        with pytest.raises(InvalidLayer) as refused:
            unpack(gzip.compress(a_tar(*entries)), into)

        assert reason in str(refused.value)
        assert not (tmp_path / "x").exists()

    def test_a_bomb_is_stopped_by_its_own_size(self, tmp_path: Path) -> None:
        blob = gzip.compress(a_tar(FOLDER, (f"{TITLE}/a", b"0", bytes(20_000_000))))

        with pytest.raises(InvalidLayer, match="far more than its size"):
            unpack(blob, tmp_path)

    def test_a_cut_blob_is_refused_at_every_place(self, tmp_path: Path) -> None:
        blob = gzip.compress(a_tar(FOLDER, (f"{TITLE}/a", b"0", os.urandom(2000))), 0)

        for length in (0, 5, 600, 1500, len(blob) - 9000, len(blob) - 8, len(blob) - 1):
            into = tmp_path / str(length)
            into.mkdir()
            with pytest.raises(InvalidLayer, match=r"ends in the middle|not gzip"):
                unpack(blob[:length], into, size=len(blob))

    def test_what_comes_after_the_end_is_refused(self, tmp_path: Path) -> None:
        tar = a_tar(FOLDER)
        for name, blob, reason in (
            ("tar", gzip.compress(tar + b"more"), "after the tar's end"),
            ("member", gzip.compress(tar) + gzip.compress(b"more"), "after the gzip member"),
            ("gone", gzip.compress(tar[:1024]), "ends in the middle"),
            ("half", gzip.compress(tar[:512] + bytes(512) + b"1" * 512), "two blocks of zeros"),
            ("text", b"not gzip at all", "not gzip"),
        ):
            into = tmp_path / name
            into.mkdir()
            with pytest.raises(InvalidLayer, match=reason):
                unpack(blob, into, size=1000)

    def test_a_broken_header_is_refused_and_not_taken_for_the_end(self, tmp_path: Path) -> None:
        tar = bytearray(a_tar(FOLDER, (f"{TITLE}/a", b"0", b"")))
        for name, place, value, reason in (
            ("sum", 512 + 3, b"Z", "checksum"),
            ("number", 512 + 148, b"9999999", "where a number belongs"),
        ):
            broken = bytearray(tar)
            broken[place : place + len(value)] = value
            into = tmp_path / name
            into.mkdir()
            with pytest.raises(InvalidLayer, match=reason):
                unpack(gzip.compress(bytes(broken)), into)

    def test_a_tar_of_before_posix_is_refused(self, tmp_path: Path) -> None:
        header = bytearray(a_tar(FOLDER)[:512])
        header[257:265] = bytes(8)
        header[148:156] = b" " * 8
        header[148:156] = b"%06o\0 " % sum(header)

        with pytest.raises(InvalidLayer, match="not ustar"):
            unpack(gzip.compress(bytes(header) + bytes(1024)), tmp_path)

    def test_a_name_that_is_not_utf8_is_refused(self, tmp_path: Path) -> None:
        header = encoding.ustar_header(b"", b"team/\xff", 0o644, 0, b"0")

        with pytest.raises(InvalidLayer, match="not UTF-8"):
            unpack(gzip.compress(header + bytes(1024)), tmp_path)

    def test_a_gnu_tar_is_read_where_it_says_no_more_than_ustar(self, tmp_path: Path) -> None:
        made = io.BytesIO()
        with tarfile.open(fileobj=made, mode="w", format=tarfile.GNU_FORMAT) as tar:
            info = tarfile.TarInfo(TITLE)
            info.type = tarfile.DIRTYPE
            tar.addfile(info)

        assert unpack(gzip.compress(made.getvalue()), tmp_path) == {}

    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            (b"nonsense", "record is broken"),
            (b"99 path=x\n", "record is broken"),
            (b"3 path=x\n", "record is broken"),
            (b"17 linkpath=/etc\n", "'linkpath' may not be here"),
            (b"22 GNU.sparse.major=1\n", "'GNU.sparse.major' may not be here"),
            (b"10 path=x\n10 path=y\n", "'path' may not be here"),
            (b"12 size=abc\n", "where a number belongs"),
        ],
    )
    def test_pax_records_that_change_the_meaning_are_refused(
        self, tmp_path: Path, body: bytes, reason: str
    ) -> None:
        pax = (
            encoding.ustar_header(b"", b"pax", 0o644, len(body), b"x")
            + body
            + bytes(512 - len(body))
        )
        entry = encoding.ustar_header(b"", TITLE.encode(), 0o755, 0, b"5")

        with pytest.raises(InvalidLayer, match=reason):
            unpack(gzip.compress(pax + entry + bytes(1024)), tmp_path)

    def test_pax_headers_are_bounded_and_belong_to_an_entry(self, tmp_path: Path) -> None:
        pax = encoding.ustar_header(b"", b"pax", 0o644, 9, b"x") + b"9 path=x\n" + bytes(503)
        large = encoding.ustar_header(b"", b"pax", 0o644, 1 << 20, b"x")
        for name, tar, reason in (
            ("twice", pax + pax, "two pax headers"),
            ("large", large + bytes(1 << 20), "one too large"),
            ("alone", pax + bytes(1024), "two blocks of zeros"),
        ):
            into = tmp_path / name
            into.mkdir()
            with pytest.raises(InvalidLayer, match=reason):
                unpack(gzip.compress(tar), into, size=1 << 20)

    def test_too_many_entries_are_refused(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(unpacking, "_MOST_ENTRIES", 2)
        blob = gzip.compress(a_tar(FOLDER, (f"{TITLE}/a", b"0", b""), (f"{TITLE}/b", b"0", b"")))

        with pytest.raises(InvalidLayer, match="more than 2 entries"):
            unpack(blob, tmp_path)

    def test_only_the_files_that_were_asked_for_are_laid_out(self, tmp_path: Path) -> None:
        blob = gzip.compress(a_tar(FOLDER, (f"{TITLE}/a", b"0", b"1")))

        with pytest.raises(InvalidLayer, match="not one of the files"):
            unpack_layer(
                io.BytesIO(blob), TITLE, tmp_path, size=len(blob), wanted={"recipe/b"}.__contains__
            )
        assert not (tmp_path / TITLE / "a").exists()

    def test_a_link_in_the_way_is_not_followed(self, tmp_path: Path) -> None:
        (tmp_path / "elsewhere").mkdir()
        (tmp_path / "into").mkdir()
        (tmp_path / "into" / "team").symlink_to(tmp_path / "elsewhere")

        with pytest.raises(UnsafePath, match="a link where a folder"):
            unpack(gzip.compress(a_tar(FOLDER)), tmp_path / "into")
