"""Operations on jobs and webhooks, shared by REST, command line and Kafka."""
