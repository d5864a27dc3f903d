// Publishing without sockets or a subscription, from a worker or a cron job.

export {}
