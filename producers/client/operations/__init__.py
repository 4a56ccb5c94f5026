"""Operations of the service, written once for both clients."""
