"""Why a job is where it is: facts of the database, of Kafka and of processes, and one rule over them."""
