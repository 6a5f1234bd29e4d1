"""Versioning, lifecycle, CORS and policies as the settings declare them."""

import json
import re

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command

from django_minio_backend import MinioBackend
from django_minio_backend.bucket_documents import lifecycle_rules
from django_minio_backend.policies import public_read_policy, same_policy
from django_minio_backend.utils import ConfigurationError

EVERYTHING = {
    "versioning": True,
    "lifecycle": [
        {"prefix": "tmp/", "expire_days": 7},
        {"id": "tidy", "noncurrent_expire_days": 30, "abort_uploads_days": 2},
    ],
    "cors": [{"origins": ["https://a.example"], "methods": ["PUT", "GET"], "headers": ["*"], "expose": ["ETag"]}],
}


def run(capsys, **options):
    call_command("initialize_buckets", **options)
    return capsys.readouterr().out


@pytest.fixture
def declared(configure, new_bucket):
    """The name of a bucket that does not exist, with everything declared for it."""
    bucket = new_bucket()
    configure(MINIO_BUCKETS={bucket: EVERYTHING}, MINIO_PRIVATE_BUCKETS=[bucket], MINIO_DEFAULT_BUCKET=bucket)
    return bucket


def test_everything_declared_is_on_the_server(declared, sdk, capsys):
    """initialize_buckets creates the bucket with versioning, lifecycle and CORS."""
    said = run(capsys)
    assert sdk.get_bucket_versioning(declared).status == "Enabled"
    rules = {rule.rule_id: rule for rule in sdk.get_bucket_lifecycle(declared).rules}
    assert rules["rule-1"].expiration.days == 7 and rules["rule-1"].rule_filter.prefix == "tmp/"
    assert rules["tidy"].noncurrent_version_expiration.noncurrent_days == 30
    assert f"Bucket ({declared}) OK" in said and "CORS has been set" in said


def test_the_plan_shows_the_difference_and_changes_nothing(declared, sdk, capsys):
    """--plan prints what would be done, --check exits with 1 as well, and the server stays as it is."""
    said = run(capsys, plan=True)
    assert f"/{declared}: create" in said and '"prefix": "tmp/"' in said and "4 changes to make." in said
    assert not sdk.bucket_exists(declared)
    with pytest.raises(SystemExit) as caught:
        run(capsys, check=True)
    assert caught.value.code == 1 and not sdk.bucket_exists(declared)


def test_applying_twice_changes_nothing(declared, capsys):
    """After initialize_buckets the plan is empty, and a second run reports nothing but that all is well."""
    run(capsys)
    assert run(capsys, plan=True) == run(capsys, check=True) == "Nothing to change.\n"
    assert run(capsys) == f"Bucket ({declared}) OK\n"


def test_drift_is_shown_and_mended(declared, sdk, capsys, configure):
    """What somebody changed by hand is shown with what it was and what it shall be, and set back."""
    run(capsys)
    sdk.delete_bucket_lifecycle(declared)
    said = run(capsys, plan=True)
    assert "lifecycle" in said and "1 change to make." in said
    run(capsys)
    assert run(capsys, plan=True) == "Nothing to change.\n"
    changed = {**EVERYTHING, "versioning": False, "lifecycle": [], "cors": []}
    configure(MINIO_BUCKETS={declared: changed}, MINIO_PRIVATE_BUCKETS=[declared], MINIO_DEFAULT_BUCKET=declared)
    said = run(capsys, plan=True)
    assert re.search(r'^    - +"expire_days": 7', said, re.MULTILINE) and "3 changes to make." in said
    run(capsys)
    assert sdk.get_bucket_versioning(declared).status == "Suspended" and sdk.get_bucket_lifecycle(declared) is None
    assert run(capsys, plan=True) == "Nothing to change.\n"


def test_what_is_not_declared_stays(configure, s3_bucket, sdk, capsys):
    """A setting of the server that no key declares is left alone."""
    configure(MINIO_BUCKETS={s3_bucket: {"lifecycle": [{"expire_days": 1}]}})
    run(capsys)
    configure(MINIO_BUCKETS={s3_bucket: {}})
    run(capsys)
    assert len(sdk.get_bucket_lifecycle(s3_bucket).rules) == 1


def test_public_to_private_shows_and_closes(configure, new_bucket, anonymous, capsys):
    """Moving a bucket to private shows the policy that goes, and anonymous reading ends."""
    bucket = new_bucket()
    configure(MINIO_PUBLIC_BUCKETS=[bucket])
    run(capsys)
    url = MinioBackend(bucket).url(MinioBackend(bucket).save("x", ContentFile(b"x")))
    assert anonymous(url)[0] == 200
    configure(MINIO_PRIVATE_BUCKETS=[bucket], MINIO_PUBLIC_BUCKETS=[])
    said = run(capsys, plan=True)
    assert f"/{bucket}: policy" in said and "s3:GetObject" in said and anonymous(url)[0] == 200
    run(capsys)
    assert anonymous(url)[0] == 403


def test_a_declared_policy_is_set_and_a_hook_has_the_last_word(configure, new_bucket, sdk, capsys):
    """The policy of MINIO_BUCKETS is set; of several hooks for one bucket the last counts, and nothing flips back."""
    declared, hooked = new_bucket("declared"), new_bucket("hooked")
    policy = public_read_policy(declared)
    hooks = [(hooked, public_read_policy(hooked)), (hooked, public_read_policy(hooked, listing=True))]
    both = [declared, hooked]
    configure(MINIO_BUCKETS={declared: {"policy": policy}}, MINIO_PRIVATE_BUCKETS=both, MINIO_POLICY_HOOKS=hooks)
    said = run(capsys)
    assert same_policy(json.loads(sdk.get_bucket_policy(declared)), policy)
    assert same_policy(json.loads(sdk.get_bucket_policy(hooked)), hooks[1][1])
    assert said.count("policy hook") == 1 and said.splitlines()[-1].endswith("by policy hook")
    assert run(capsys, plan=True) == "Nothing to change.\n"


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ([], r"a dictionary is needed"),
        ({"b": []}, r"\['b'\]: a dictionary is needed"),
        ({"b": {"versions": True}}, r"\['b'\]: unknown key 'versions'; there are versioning"),
        ({"b": {"versioning": "yes"}}, r"\['versioning'\]: True or False"),
        ({"b": {"policy": "public"}}, r"\['policy'\]: a policy as a dictionary"),
        ({"b": {"lifecycle": {"expire_days": 1}}}, r"\['lifecycle'\]: a list of dictionaries"),
        ({"b": {"lifecycle": ["x"]}}, r"\['lifecycle'\]\[0\]: a dictionary is needed, not str"),
        ({"b": {"lifecycle": [{"prefix": "x"}]}}, r"\['lifecycle'\]\[0\]: at least one of expire_days"),
        ({"b": {"lifecycle": [{"expire_days": 0, "abort_uploads_days": 1}]}}, r"each a number of days from 1"),
        ({"b": {"lifecycle": [{"expire_days": "7"}]}}, r"\['expire_days'\]: a whole number is needed, not str"),
        ({"b": {"lifecycle": [{"expire": 7}]}}, r"unknown key 'expire'; there are prefix, expire_days"),
        ({"b": {"cors": [{"origins": "*"}]}}, r"\['origins'\]: a list of texts is needed, not str"),
        ({"b": {"cors": [{"origins": ["*"], "methods": ["PATCH"]}]}}, r"unknown methods PATCH"),
        ({"b": {"cors": [{"methods": ["GET"]}]}}, r"origins and methods are needed"),
    ],
)
def test_a_wrong_declaration_names_its_place(make_storage, written, message):
    """Each mistake in MINIO_BUCKETS is an error that names bucket, key and what is needed."""
    if written == []:
        written = ["b"]
    with pytest.raises(ConfigurationError, match=f"MINIO_BUCKETS.*{message}"):
        make_storage(MINIO_BUCKETS=written)


def test_rules_of_a_server_that_are_not_modelled_are_a_difference():
    """A rule with a transition or a tag filter is not taken for a declared one that says less."""
    document = b"""<LifecycleConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Rule><ID>rule-1</ID>
        <Status>Enabled</Status><Filter><And><Prefix>a/</Prefix><Tag><Key>k</Key><Value>v</Value></Tag></And></Filter>
        <Expiration><Days>7</Days></Expiration></Rule></LifecycleConfiguration>"""
    (rule,) = lifecycle_rules(document)
    assert (rule.prefix, rule.expire_days, rule.other) == ("a/", 7, "Filter/And/Tag/Key=k Filter/And/Tag/Value=v")
