"""Uploads in the catalog: versions, names, revisions, and the bytes of modules."""

from __future__ import annotations

import json

import msgspec
import pytest

from automata.errors import InvalidArgument, ModuleRefused
from automata.sandbox.record import COMPONENT, CORE, VERSIONS_KEPT, Version
from ssms.catalog import Catalog, deployments, uploads
from ssms.deployed import DeployedType

NOW = 1_900_000_000.0


def version(digest: str, *types: str, **limits: int) -> Version:
    manifest = json.dumps({"interface": 1, "types": [{"name": name} for name in types or ("Tally",)]}).encode()
    return Version(0, digest, CORE, 10, manifest, dict(limits))


def take(catalog: Catalog, name: str, digest: str, *types: str, uploader: str = "ann", **limits: int) -> list[int]:
    """Put a module, and let it be the next version; the versions then."""
    catalog.write(uploads.put_module, digest, digest.encode(), NOW)
    taken = catalog.write(uploads.add_version, name, uploader, version(digest, *types, **limits))
    assert taken.current == taken.versions[-1].number
    return [known.number for known in taken.versions]


def test_the_same_name_again_is_the_next_version_unless_just_that_runs(catalog: Catalog) -> None:
    assert take(catalog, "t", "a") == [1]
    assert take(catalog, "t", "a") == [1]
    assert take(catalog, "t", "a", fuel=7) == [1, 2]
    assert take(catalog, "t", "b") == [1, 2, 3]
    assert take(catalog, "t", "a") == [1, 2, 3, 4]
    revision, [record] = catalog.read(uploads.all_uploads)
    assert (revision, record.name, record.uploader, record.current) == (4, "t", "ann", 4)


def test_the_oldest_version_goes_when_there_are_too_many(catalog: Catalog) -> None:
    for n in range(VERSIONS_KEPT + 3):
        known = take(catalog, "t", f"d{n}")
    assert known == list(range(4, VERSIONS_KEPT + 4))


def test_an_upload_is_rolled_back_to_the_version_before_or_a_given_one(catalog: Catalog) -> None:
    for digest in "abc":
        take(catalog, "t", digest)
    assert catalog.write(uploads.roll_back, "t", None).current == 2
    assert catalog.write(uploads.roll_back, "t", 3).current == 3
    assert catalog.write(uploads.roll_back, "t", 3).current == 3
    assert catalog.read(uploads.revision) == 5
    assert catalog.write(uploads.roll_back, "t", 1).running().digest == "a"
    with pytest.raises(InvalidArgument, match="no earlier version"):
        catalog.write(uploads.roll_back, "t", None)
    with pytest.raises(InvalidArgument, match="no version 9: it has 1, 2, 3"):
        catalog.write(uploads.roll_back, "t", 9)
    with pytest.raises(InvalidArgument, match="no upload 'u'; there are: t"):
        catalog.write(uploads.roll_back, "u", None)


def test_an_upload_is_that_of_its_uploader(catalog: Catalog) -> None:
    take(catalog, "t", "a")
    with pytest.raises(ModuleRefused, match="is 'ann'"):
        take(catalog, "t", "b", uploader="bob")


def test_an_upload_stays_of_its_kind_until_it_is_removed(catalog: Catalog) -> None:
    take(catalog, "t", "a")
    component = msgspec.structs.replace(version("b"), kind=COMPONENT)
    catalog.write(uploads.put_module, "b", b"b", NOW)
    with pytest.raises(ModuleRefused, match="'t' is a core module, and this is a component, which keeps other rows"):
        catalog.write(uploads.add_version, "t", "ann", component)
    catalog.write(uploads.remove, "t", NOW)
    assert catalog.write(uploads.add_version, "t", "ann", component).running().kind == COMPONENT


def test_a_type_has_one_place_that_it_comes_from(catalog: Catalog) -> None:
    catalog.write(deployments.add_types, [DeployedType("User", 0, "app:User", b"", b"1")])
    with pytest.raises(ModuleRefused, match="User is known already, one that was deployed"):
        take(catalog, "t", "a", "User")
    take(catalog, "t", "a", "Tally", "Other")
    with pytest.raises(ModuleRefused, match="Other is known already, of the upload 't'"):
        take(catalog, "u", "b", "Other")
    with pytest.raises(InvalidArgument, match="Tally is that of the upload 't'"):
        catalog.write(deployments.add_types, [DeployedType("Tally", 0, "app:Tally", b"", b"1")])
    take(catalog, "t", "c", "Tally")
    take(catalog, "u", "b", "Other")
    with pytest.raises(ModuleRefused, match="Other"):
        catalog.write(uploads.roll_back, "t", 1)
    assert catalog.read(uploads.owners) == {"Tally": "t", "Other": "u"}


def test_a_removed_upload_is_gone_and_removing_it_again_changes_nothing(catalog: Catalog) -> None:
    take(catalog, "t", "a")
    catalog.write(uploads.remove, "t", NOW)
    catalog.write(uploads.remove, "t", NOW)
    assert catalog.read(uploads.all_uploads) == (2, [])
    with pytest.raises(ModuleRefused, match="Tally is known already, of 'ann'"):
        take(catalog, "t", "a", uploader="bob")
    assert take(catalog, "t", "a", "Other", uploader="bob") == [1]
    assert take(catalog, "u", "a") == [1]


def test_a_type_that_a_later_version_drops_stays_its_uploaders(catalog: Catalog) -> None:
    take(catalog, "t", "a", "Tally", "Other")
    take(catalog, "t", "b", "Tally")
    with pytest.raises(ModuleRefused, match="Other is known already, of 'ann', whose upload 't' had it"):
        take(catalog, "u", "c", "Other", uploader="bob")
    assert take(catalog, "u", "c", "Other") == [1]


def test_deploying_may_take_the_type_of_a_removed_upload_and_has_it_then(catalog: Catalog) -> None:
    take(catalog, "t", "a")
    catalog.write(uploads.remove, "t", NOW)
    catalog.write(deployments.add_types, [DeployedType("Tally", 0, "app:Tally", b"", b"1")])
    with pytest.raises(ModuleRefused, match="one that was deployed"):
        take(catalog, "t", "a")


def test_a_module_is_kept_while_a_version_has_it_and_for_an_hour_besides(catalog: Catalog) -> None:
    take(catalog, "t", "a")
    take(catalog, "t", "b")
    catalog.write(uploads.put_module, "c", b"unused", NOW)
    catalog.write(uploads.put_module, "d", b"late", NOW + uploads.UNUSED_SECONDS_MAX + 1)
    assert [catalog.read(uploads.module, digest) for digest in "abcd"] == [b"a", b"b", None, b"late"]
    with pytest.raises(ModuleRefused, match="upload it again"):
        catalog.write(uploads.add_version, "t", "ann", version("c"))
    catalog.write(uploads.remove, "t", NOW + uploads.UNUSED_SECONDS_MAX + 1)
    assert [catalog.read(uploads.module, digest) for digest in "abcd"] == [None, None, None, b"late"]
