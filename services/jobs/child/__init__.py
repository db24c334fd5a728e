"""The program that loads a model, inside the sandbox and nowhere else.

`python -m services.jobs.child JOB` reads a job (JSON), runs its commands on one loaded model, and answers line by line
(JSON) through the pipe RESULT_FD: `stage` says what it is at, `progress` how many rows are done, `report` is the answer
to a command, `failure` ends it. Tables go out as Parquet through the pipe TABLE_FD. The command `serve` keeps the model
loaded and answers requests through the socket CHANNEL_FD until that is closed. The model shares this process, so
what comes out is the model's own word: the caller checks its shape and believes nothing else of it.
"""
