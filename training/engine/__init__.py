"""Where fits run: in this process, in several, or on a Dask cluster; and what is kept of them.

A *stage* is one pure function asked for many tasks, by `training.engine.stage.run_stage`. The
engine decides where a task runs and never what comes out of it; `Work` keeps each result as soon as
it is there, so that an interrupted run can go on.
"""
