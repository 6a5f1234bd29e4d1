"""The fixture, as a test suite elsewhere would use it."""

pytest_plugins = ["pytester"]


def test_the_fixture_gives_a_cluster_on_path(pytester):
    """A test that asks for `mock_slurm` finds the commands on PATH, configured as it says, and one call in the log."""
    pytester.makeconftest('pytest_plugins = ["mock_slurm.plugin"]')
    pytester.makepyfile(
        """
        import subprocess
        import pytest

        @pytest.fixture
        def mock_slurm_config():
            return {"exec_host": "127.0.0.1"}

        def test_it(mock_slurm, tmp_path):
            job = mock_slurm.sbatch("sleep 300", "-D", str(tmp_path))
            mock_slurm.wait_for(job, "RUNNING")
            shown = subprocess.run(["squeue", "-h", "-j", str(job), "-o", "%T %B"], capture_output=True, text=True)
            assert shown.stdout == "RUNNING 127.0.0.1\\n"
            assert len(mock_slurm.calls("squeue")) == 1
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)
