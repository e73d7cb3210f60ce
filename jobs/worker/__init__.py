"""Workers: they claim jobs and run each in a job process."""
