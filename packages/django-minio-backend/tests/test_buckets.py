"""Buckets and who may read them, checked by requests without credentials."""

import json

import pytest
from django.core.files.base import ContentFile
from django.core.management import call_command

from django_minio_backend import MinioBackend
from django_minio_backend.policies import public_read_policy, same_policy


def listing_url(storage):
    return f"{storage.base_url}/{storage.bucket}?list-type=2"


def test_a_private_bucket_is_closed_to_strangers(storage, anonymous):
    """Without a signature, an object of a private bucket cannot be read; with one it can."""
    name = storage.save("secret.txt", ContentFile(b"secret"))
    link = storage.url(name)
    assert anonymous(link.partition("?")[0])[0] == 403
    assert anonymous(link) == (200, b"secret")


def test_a_public_bucket_shows_objects_but_not_their_names(configure, new_bucket, anonymous, s3_service):
    """initialize_buckets lets anyone read a public bucket's objects; nobody may list them, unless the server is moto."""
    public = new_bucket()
    configure(MINIO_PUBLIC_BUCKETS=[public])
    call_command("initialize_buckets", silenced=True)
    storage = MinioBackend(public)
    name = storage.save("page.txt", ContentFile(b"hello"))
    assert anonymous(storage.url(name)) == (200, b"hello")
    assert anonymous(listing_url(storage))[0] == 403 or not s3_service.checks_signatures


def test_listing_is_opened_on_request(configure, new_bucket, anonymous):
    """MINIO_PUBLIC_LISTING = True lets anyone list a public bucket."""
    public = new_bucket()
    configure(MINIO_PUBLIC_BUCKETS=[public], MINIO_PUBLIC_LISTING=True)
    call_command("initialize_buckets", silenced=True)
    assert anonymous(listing_url(MinioBackend(public)))[0] == 200


def test_a_bucket_moved_to_private_is_closed(configure, new_bucket, anonymous):
    """When a public bucket is declared private, initialize_buckets closes it again."""
    bucket = new_bucket()
    configure(MINIO_PUBLIC_BUCKETS=[bucket])
    call_command("initialize_buckets", silenced=True)
    url = MinioBackend(bucket).url(MinioBackend(bucket).save("x", ContentFile(b"x")))
    assert anonymous(url)[0] == 200
    configure(MINIO_PRIVATE_BUCKETS=[bucket], MINIO_PUBLIC_BUCKETS=[])
    call_command("initialize_buckets", silenced=True)
    assert anonymous(url)[0] == 403


def test_a_second_run_changes_nothing(configure, new_bucket, capsys):
    """initialize_buckets run twice sets policies only the first time."""
    configure(MINIO_PUBLIC_BUCKETS=[new_bucket()])
    call_command("initialize_buckets")
    assert "policy has been set to public" in capsys.readouterr().out
    call_command("initialize_buckets")
    second = capsys.readouterr().out
    assert "OK" in second and "policy" not in second


def test_hooks_run_last_and_once(configure, new_bucket, sdk, capsys):
    """A policy hook may name any declared bucket; it is applied after all buckets exist, and has the last word."""
    first, second = new_bucket("a"), new_bucket("b")
    policy = public_read_policy(second, listing=True)
    configure(MINIO_PUBLIC_BUCKETS=[first, second], MINIO_POLICY_HOOKS=[(second, policy)])
    call_command("initialize_buckets")
    assert capsys.readouterr().out.count("policy hook") == 1
    assert same_policy(json.loads(sdk.get_bucket_policy(second)), policy)
    call_command("initialize_buckets", silenced=True)
    assert same_policy(json.loads(sdk.get_bucket_policy(second)), policy)


def test_a_storage_sets_a_given_policy_and_the_public_one(storage, sdk, s3_bucket):
    """The storage's own methods set a given policy, and the public one."""
    policy = public_read_policy(s3_bucket, listing=True)
    storage.set_bucket_policy(s3_bucket, policy)
    assert same_policy(json.loads(sdk.get_bucket_policy(s3_bucket)), policy)
    storage.set_bucket_to_public()
    assert same_policy(json.loads(sdk.get_bucket_policy(s3_bucket)), public_read_policy(s3_bucket))


def test_missing_buckets_are_created(make_storage, new_bucket, sdk):
    """check_bucket_existence() creates the storage's bucket, check_bucket_existences() all declared ones."""
    own, other = new_bucket(), new_bucket()
    storage = make_storage(own, MINIO_PRIVATE_BUCKETS=[own, other])
    storage.check_bucket_existence()
    assert sdk.bucket_exists(own) and not sdk.bucket_exists(other)
    storage.check_bucket_existences()
    storage.check_bucket_existences(max_workers=1)
    assert sdk.bucket_exists(other)


def test_every_bucket_that_fails_is_named(make_storage, new_bucket):
    """check_bucket_existences() collects the errors of all buckets into one that names each."""
    good = new_bucket()
    storage = make_storage(good, MINIO_PRIVATE_BUCKETS=[good, "No-Such_NAME", "x"])
    with pytest.raises(Exception, match="No-Such_NAME.*x:|x:.*No-Such_NAME"):
        storage.check_bucket_existences()


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ({"Principal": "*", "Action": "s3:GetObject"}, {"Principal": {"AWS": ["*"]}, "Action": ["s3:GetObject"]}, True),
        ({"Action": ["a", "b"]}, {"Action": ["b", "a"], "Sid": "label"}, True),
        ({"Action": ["a"]}, {"Action": ["a", "b"]}, False),
        ({"Principal": {"AWS": "arn:someone"}}, {"Principal": "*"}, False),
    ],
)
def test_policies_are_compared_by_meaning(one, other, same):
    """Order, a list of one, labels and the two ways to write everyone do not make policies differ."""
    policies = ({"Version": "2012-10-17", "Statement": [part]} for part in (one, other))
    assert same_policy(*policies) is same
