"""The layouts of pictures, and which class names match."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from PIL import Image

from mixer_edge.class_names import ClassNames
from mixer_edge.dataset import find_images, open_dataset, read_names, spread
from mixer_edge.errors import DataError
from mixer_edge.imagenet import DEVKIT, DEVKIT_IDS, NAMES_AND_INDICES, SOLUTION, SYNSET_LABELS

BIRDS = (
    "n02007558 flamingo",
    "n02012849 crane",
    "n03126707 crane",
    "n02027492 red-backed sandpiper, dunlin, Erolia alpina",
)


def put(folder: Path, *names: str) -> None:
    """Write small pictures of these names."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4)).save(folder / name)


def classes(folder: Path, labels: tuple[str, ...]) -> dict[str, int | None]:
    """Return what was found, by relative path."""
    dataset = open_dataset(folder, labels)
    return {dataset.name(number): image.index for number, image in enumerate(dataset.images)}


@pytest.mark.parametrize(
    ("name", "index"),
    [
        ("n02007558", 0),
        ("n02007558 flamingo", 0),
        ("flamingo", 0),
        ("Flamingo", 0),
        ("red-backed_sandpiper", 3),
        ("Erolia alpina", 3),
        ("red-backed sandpiper, dunlin, Erolia alpina", 3),
        ("n03126707", 2),
        ("2", 2),
        ("crane", None),
        ("4", None),
        ("-1", None),
        ("sandpiper", None),
        ("", None),
    ],
)
def test_a_name_means_a_class(name: str, index: int | None) -> None:
    """Lines, wnids, names and synonyms stand for their class in any case; a name of two classes stands for none."""
    assert ClassNames(BIRDS).find(name) == index


def test_a_label_that_is_a_number_comes_before_the_index() -> None:
    """A folder called 1 means the class labelled 1, not the second class."""
    assert ClassNames(("1", "0")).find("1") == 0


def test_class_folders(tmp_path: Path) -> None:
    """Folders can be named by wnid, name or index, and contain folders; other files are skipped."""
    put(tmp_path, "n02007558/b.png", "n02007558/more/a.jpg", "dunlin/c.png", "1/d.png", "1/.hidden.png")
    (tmp_path / "1/notes.txt").write_text("none")
    assert classes(tmp_path, BIRDS) == {
        "1/d.png": 1,
        "dunlin/c.png": 3,
        "n02007558/b.png": 0,
        "n02007558/more/a.jpg": 0,
    }


def test_folders_that_name_no_class(tmp_path: Path) -> None:
    """The error counts them, lists the first five and gives examples of valid names."""
    put(tmp_path, *(f"{name}/a.png" for name in ("ant", "bee", "crane", "cow", "dog", "emu", "flamingo")))
    with pytest.raises(DataError) as error:
        open_dataset(tmp_path, BIRDS)
    assert str(error.value) == (
        f"{tmp_path}: 6 folders match no class of this model: 'ant', 'bee', 'cow', 'crane' (classes 1, 2 share it), "
        "'dog' and 1 more; expected labels such as 'n02007558 flamingo', 'n02012849 crane', 'n03126707 crane', "
        "or indices 0 to 3"
    )


def test_pictures_beside_class_folders(tmp_path: Path) -> None:
    """A picture in no class folder is an error."""
    put(tmp_path, "flamingo/a.png", "b.png")
    with pytest.raises(DataError) as error:
        open_dataset(tmp_path, BIRDS)
    assert str(error.value) == (
        f"{tmp_path}/b.png: 1 of 2 pictures are in no class folder; expected {tmp_path}/<label>/<picture>"
    )


@pytest.mark.parametrize(
    "table",
    [
        "file,label\na.png,flamingo\nmore/b.png,dunlin\n",
        "filename,index,label\nmore/b.png,3,nonsense\na.png,0,nonsense\n",
        "\ufeffimage,name,wnid\r\na.png,x,n02007558\r\nmore/b.png,x,n02027492\r\n",
    ],
)
def test_table(tmp_path: Path, table: str) -> None:
    """A CSV file names the class of each picture; wnid comes before index, index before label."""
    put(tmp_path, "a.png", "more/b.png")
    (tmp_path / "labels.csv").write_text(table, "utf-8")
    assert classes(tmp_path, BIRDS) == {"a.png": 0, "more/b.png": 3}


def test_names_without_a_model(tmp_path: Path) -> None:
    """Names as they are written, and the table's groups but for empty entries; a flat folder has no names."""
    put(tmp_path, "a.png", "more/b.png")
    (tmp_path / "labels.csv").write_text("file,class,group\na.png,Cat, 7 \nmore/b.png,dog,\n")
    paths = find_images(tmp_path)
    named = read_names(tmp_path, paths)
    assert named is not None
    assert (named.layout, named.classes) == ("table", {paths[0]: "Cat", paths[1]: "dog"})
    assert named.groups == {paths[0]: "7"}
    (tmp_path / "labels.csv").unlink()
    folders = read_names(tmp_path, paths[1:])
    assert folders is not None
    assert (folders.layout, folders.classes, folders.groups) == ("class folders", {paths[1]: "more"}, {})
    assert read_names(tmp_path, paths[:1]) is None


def test_labels_that_share_a_name() -> None:
    """Two cranes, whatever the case; a name of no class has none."""
    names = ClassNames(BIRDS)
    assert names.sharing("Crane") == ("n02012849 crane", "n03126707 crane")
    assert names.sharing("dunlin") == (BIRDS[3],)
    assert names.sharing("emu") == ()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        (
            "file,label\na.png,flamingo\n",
            "{csv}: has no class for 1 pictures (b.png); expected one row for each picture",
        ),
        (
            "file,label\na.png,0\nb.png,0\nc.png,0\n",
            "{csv}: lists 1 missing pictures (c.png); expected one row for each picture",
        ),
        ("file,label\na.png,0\na.png,1\nb.png,1\n", "{csv}: lists a picture twice; expected one row for each"),
        (
            "path,label\na.png,0\nb.png,0\n",
            "{csv}: columns path, label; expected one of file, filename, image and one of wnid, index, label, class",
        ),
        ("", "{csv}: columns missing; expected one of file, filename, image and one of wnid, index, label, class"),
    ],
)
def test_table_that_does_not_fit(tmp_path: Path, table: str, message: str) -> None:
    """Pictures without a row, rows without a picture, double rows and unknown columns are reported."""
    put(tmp_path, "a.png", "b.png")
    (tmp_path / "labels.csv").write_text(table, "utf-8")
    with pytest.raises(DataError) as error:
        open_dataset(tmp_path, BIRDS)
    assert str(error.value) == message.format(csv=tmp_path / "labels.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (SYNSET_LABELS, "n02027492\nn02007558\nn02012849\n"),
        (NAMES_AND_INDICES, "ILSVRC2012_val_00000001.JPEG 3\nILSVRC2012_val_00000003.JPEG 1\n"),
        (
            SOLUTION,
            "ImageId,PredictionString\nILSVRC2012_val_00000003,n02012849 1 2 3 4\nILSVRC2012_val_00000001,n02027492 5",
        ),
        (DEVKIT, "200\n100\n300\n"),
    ],
)
@pytest.mark.parametrize("place", ["beside", "above"])
def test_imagenet(tmp_path: Path, name: str, content: str, place: str) -> None:
    """Each of the four ground-truth files, next to the pictures or one folder up, gives the same classes."""
    folder = tmp_path / "val"
    put(folder, "ILSVRC2012_val_00000001.JPEG", "ILSVRC2012_val_00000003.JPEG")
    target = folder if place == "beside" else tmp_path
    (target / name).write_text(content)
    (target / DEVKIT_IDS).write_text(
        "n02007558 100 flamingo\nn02027492 200 red-backed_sandpiper\nn02012849 300 crane\n"
    )
    dataset = open_dataset(folder, BIRDS)
    assert (dataset.layout, [image.index for image in dataset.images]) == ("ImageNet", [3, 1])


def test_the_devkits_ids_are_not_indices(tmp_path: Path) -> None:
    """The devkit's numbers without the table of its ids are an error: they would give wrong classes."""
    put(tmp_path, "ILSVRC2012_val_00000001.JPEG")
    (tmp_path / DEVKIT).write_text("2\n")
    with pytest.raises(DataError) as error:
        open_dataset(tmp_path, BIRDS)
    assert str(error.value) == (
        f"{tmp_path}/{DEVKIT}: its numbers are the devkit's own ids, not indices; add map_clsloc.txt (wnid and id on "
        f"each line) to the same folder, or use {SYNSET_LABELS}"
    )


def test_ground_truth_that_ends_early(tmp_path: Path) -> None:
    """A picture after the last line of the ground truth is reported."""
    put(tmp_path, "ILSVRC2012_val_00000002.JPEG")
    (tmp_path / SYNSET_LABELS).write_text("n02012849\n")
    with pytest.raises(DataError) as error:
        open_dataset(tmp_path, BIRDS)
    assert str(error.value) == (
        f"{tmp_path}/{SYNSET_LABELS}: has no class for 1 pictures (ILSVRC2012_val_00000002.JPEG); is it complete?"
    )


def test_imagenet_without_ground_truth(tmp_path: Path) -> None:
    """Validation pictures without ground truth are not treated as unlabelled; the error names the possible files."""
    put(tmp_path, "ILSVRC2012_val_00000001.JPEG")
    with pytest.raises(DataError, match="ImageNet's validation pictures without their classes; add imagenet_2012"):
        open_dataset(tmp_path, BIRDS)


def test_unlabelled(tmp_path: Path) -> None:
    """A flat folder without a table has no classes, and so has any folder where the bundle has no labels."""
    put(tmp_path, "b.png", "a.png")
    assert classes(tmp_path, BIRDS) == {"a.png": None, "b.png": None}
    assert not open_dataset(tmp_path, ()).labelled


def test_the_order_on_disk_does_not_matter(tmp_path: Path) -> None:
    """Folders filled in different orders give the same listing of paths, and a limit takes the same pictures."""
    names = [f"{index % 4}/{index:03}.png" for index in range(40)]
    found = []
    for seed in (1, 2):
        folder = tmp_path / str(seed)
        put(folder, *random.Random(seed).sample(names, len(names)))
        dataset = open_dataset(folder, BIRDS)
        found.append(
            [[part.name(number) for number in range(len(part.images))] for part in (dataset, dataset.limited(8))]
        )
    assert found[0] == found[1]
    assert len(found[0][1]) == 8
    assert {name[0] for name in found[0][1]} == {"0", "1", "2", "3"}


def test_spread_evenly_with_both_ends() -> None:
    """By hand: the first and the last are included, and a limit above the count gives all."""
    assert spread(10, 4) == [0, 3, 6, 9]
    assert spread(5, 2) == [0, 4]
    assert spread(3, 7) == [0, 1, 2]
    assert spread(7, 1) == [0]


def test_no_pictures(tmp_path: Path) -> None:
    """A missing folder and an empty one have different errors."""
    with pytest.raises(DataError, match="no such folder"):
        open_dataset(tmp_path / "missing", BIRDS)
    with pytest.raises(DataError, match="no pictures in it"):
        open_dataset(tmp_path, BIRDS)
