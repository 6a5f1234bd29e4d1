"""Random graphs of staged migrations: whatever is asked for, the history stays consistent.

RANDOM_GRAPHS multiplies the number of graphs.
"""

import os

from django.db import migrations, models
from django.db.migrations.graph import MigrationGraph
from django.db.migrations.state import ModelState, ProjectState
from hypothesis import given, settings
from hypothesis import strategies as st

from syzygy import AmbiguousPlan, Stage
from syzygy.deferral import divide_plan
from syzygy.plan import get_post_deploy_plan, get_pre_deploy_plan
from syzygy.replay import Replay

APPS = ("a", "b", "c")
TIMES = int(os.environ.get("RANDOM_GRAPHS", "1"))


def operations(number, stage):
    """Something that nobody can see through, or a change of a field that nothing else is about."""
    change = migrations.RemoveField if stage is Stage.POST_DEPLOY else migrations.AddField
    field = [] if stage is Stage.POST_DEPLOY else [models.IntegerField()]
    return st.sampled_from([migrations.RunSQL("SELECT 1"), change("Item", f"field_{number}", *field)])


@st.composite
def graphs(draw):
    """A graph of up to 12 migrations in three apps, each depending on some of the earlier ones."""
    graph = MigrationGraph()
    made = []
    for number in range(draw(st.integers(1, 12))):
        app_label = draw(st.sampled_from(APPS))
        migration = migrations.Migration(f"{number:04}", app_label)
        stage = draw(st.sampled_from([Stage.PRE_DEPLOY, Stage.POST_DEPLOY, None]))
        if stage is not None:
            migration.stage = stage
            migration.operations = [draw(operations(number, stage))]
        migration.dependencies = draw(st.lists(st.sampled_from(made), max_size=3, unique=True)) if made else []
        previous = next((key for key in reversed(made) if key[0] == app_label), None)
        if previous is not None and previous not in migration.dependencies:
            migration.dependencies.append(previous)
        key = (app_label, migration.name)
        graph.add_node(key, migration)
        for dependency in migration.dependencies:
            graph.add_dependency(migration, key, dependency)
        made.append(key)
    return graph


def consistent(graph, applied):
    """What Django's loader insists on before it does anything."""
    return all(parent.key in applied for key in applied for parent in graph.node_map[key].parents)


def plan_forwards(graph, target, applied):
    return [(graph.nodes[key], False) for key in graph.forwards_plan(target) if key not in applied]


def plan_backwards(graph, target, applied):
    return [(graph.nodes[key], True) for key in graph.backwards_plan(target) if key in applied]


def follow(graph, plan, applied):
    """Run a plan step by step."""
    for migration, backward in plan:
        key = (migration.app_label, migration.name)
        (applied.discard if backward else applied.add)(key)
        assert consistent(graph, applied), f"{key} was {'reverted' if backward else 'applied'} out of turn"


@settings(max_examples=150 * TIMES)
@given(graphs(), st.data())
def test_history_stays_consistent(graph, data):
    """Random targets, forwards and backwards, with and without --pre-deploy: no step is out of turn."""
    applied = set()
    for _ in range(data.draw(st.integers(1, 6))):
        target = data.draw(st.sampled_from(sorted(graph.nodes)))
        make = plan_backwards if target in applied else plan_forwards
        plan = make(graph, target, applied)
        if data.draw(st.booleans()):
            try:
                plan = get_pre_deploy_plan(plan)
            except AmbiguousPlan:
                continue
        follow(graph, plan, applied)


@settings(max_examples=80 * TIMES)
@given(graphs())
def test_both_halves_are_the_whole(graph):
    """What is left out before the deployment is all that is left to do after it."""
    for target in sorted(graph.nodes):
        plan = plan_forwards(graph, target, set())
        try:
            before = get_pre_deploy_plan(plan)
        except AmbiguousPlan:
            continue
        assert [entry for entry in plan if entry in before] == before
        stages = {getattr(migration, "stage", None) for migration, _ in plan if (migration, False) not in before}
        assert Stage.PRE_DEPLOY not in stages


def replay(graph, applied=(), waiting=()):
    """What `migrate` knows of the past: each app has a model with every field that a migration removes."""
    state = ProjectState()
    for app_label in APPS:
        state.add_model(ModelState(app_label, "Item", [("id", models.AutoField(primary_key=True))]))
    for (app_label, _), migration in graph.nodes.items():
        for operation in migration.operations:
            if isinstance(operation, migrations.RemoveField):
                state.add_field(app_label, "item", operation.name, models.IntegerField(), preserve_default=True)
    replayed = Replay(state)
    for key in sorted(applied, key=lambda key: key[1]):
        (replayed.put_off if key in waiting else replayed.run)(graph.nodes[key])
    return replayed


def run(graph, how, target, applied, waiting, executed):
    """What `migrate` does with the records and the list of what waits."""
    backward = target in applied and how != "catch up"
    plan = (plan_backwards if backward else plan_forwards)(graph, target, applied)
    deferred = set()

    def replayed(undone=(), gone=()):
        return replay(graph, applied - set(gone), [*waiting, *undone])

    if how == "pre-deploy":
        plan, deferred, *_ = divide_plan(plan, replayed, waiting)
    elif how == "post-deploy":
        plan = get_post_deploy_plan(plan)
    if not backward and how != "pre-deploy":
        due = [key for key in waiting if key in graph.forwards_plan(target)]
        executed.extend(due)
        waiting[:] = [key for key in waiting if key not in due]
    undone = deferred if backward else ()
    follow(graph, [entry for entry in plan if (entry[0].app_label, entry[0].name) not in undone], applied)
    for migration, _ in plan:
        key = (migration.app_label, migration.name)
        if key in deferred:
            waiting.append(key)
            if backward:
                executed.remove(key)
        elif key in waiting:
            waiting.remove(key)
        elif backward:
            executed.remove(key)
        else:
            executed.append(key)


@settings(max_examples=100 * TIMES)
@given(graphs(), st.data())
def test_stacked_deployments(graph, data):
    """Over random deployments, forwards and backwards, no step is out of turn, and in the end all has run, once."""
    applied, waiting, executed = set(), [], []
    for _ in range(data.draw(st.integers(1, 6))):
        target = data.draw(st.sampled_from(sorted(graph.nodes)))
        how = data.draw(st.sampled_from(["pre-deploy", "post-deploy", "all"]))
        try:
            run(graph, how, target, applied, waiting, executed)
        except AmbiguousPlan:
            continue
        assert set(executed) | set(waiting) == applied
    for leaf in graph.leaf_nodes():
        run(graph, "catch up", leaf, applied, waiting, executed)
    assert sorted(executed) == sorted(graph.nodes)
    assert waiting == []


@settings(max_examples=50 * TIMES)
@given(graphs())
def test_nothing_transparent_is_refused(graph):
    """Where nothing is hidden from view and each change is about a field of its own, no deployment is refused."""
    for migration in graph.nodes.values():
        if any(isinstance(operation, migrations.RunSQL) for operation in migration.operations):
            migration.operations = []
    for target in sorted(graph.nodes):
        plan = plan_forwards(graph, target, set())
        now, deferred, postponed, _ = divide_plan(plan, lambda: replay(graph))
        assert [entry for entry in plan if entry in now] == now
        assert {(m.app_label, m.name) for m, _ in now} >= deferred
        assert all(getattr(migration, "stage", None) is not Stage.PRE_DEPLOY for migration, _ in postponed)


@settings(max_examples=50 * TIMES)
@given(graphs(), st.data())
def test_nothing_transparent_is_kept_from_going_back(graph, data):
    """Where nothing is hidden from view, a revert before the deployment undoes just what was done after the last one."""
    for migration in graph.nodes.values():
        if any(isinstance(operation, migrations.RunSQL) for operation in migration.operations):
            migration.operations = []
    applied, waiting, executed = set(), [], []
    for leaf in graph.leaf_nodes():
        run(graph, "catch up", leaf, applied, waiting, executed)
    target = data.draw(st.sampled_from(sorted(graph.nodes)))
    plan = plan_backwards(graph, target, applied)
    run(graph, "pre-deploy", target, applied, waiting, executed)
    done = {(m.app_label, m.name) for m, _ in plan} - set(executed)
    assert done >= {(m.app_label, m.name) for m, _ in plan if getattr(m, "stage", None) is Stage.POST_DEPLOY}
    assert all(getattr(graph.nodes[key], "stage", None) is not Stage.PRE_DEPLOY for key in done)
    assert consistent(graph, applied)
