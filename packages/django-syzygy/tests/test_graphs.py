"""Random graphs of staged migrations: whatever is asked for, the history stays consistent."""

from django.db import migrations
from django.db.migrations.graph import MigrationGraph
from hypothesis import given, settings
from hypothesis import strategies as st

from syzygy import AmbiguousPlan, Stage
from syzygy.plan import get_pre_deploy_plan

APPS = ("a", "b", "c")


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
            migration.operations = [migrations.RunSQL("SELECT 1")]
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


@settings(max_examples=400, deadline=None)
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


@settings(max_examples=200, deadline=None)
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
