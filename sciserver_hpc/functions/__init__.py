"""Python functions as jobs: a plugin of submitit (github.com/facebookincubator/submitit).

    executor = submitit.AutoExecutor(folder="logs", cluster="sciserver")     # after `sciserver login`
    executor.update_parameters(timeout_min=10, mem_gb=2, sciserver_image="python")
    jobs = executor.map_array(math.factorial, range(100))
    print([job.result() for job in jobs])

The function travels to the cluster inside a script job and its result comes back by the portal's API, so
that a laptop serves as well as a login node. `runner` and `environment` are what runs in the image; the rest
runs where jobs are submitted. Submitit finds it by entry points, and loads it in each of its jobs, those of
other executors too: modules here import little, and the client only once it is needed.
"""
