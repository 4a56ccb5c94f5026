"""Client of Scribe Rabbit's REST interface, published as `scribe_rabbit_client`: blocking, and for asyncio and trio."""

from .async_client import AsyncClient as AsyncClient
from .errors import AnswerError as AnswerError
from .errors import AnswerLost as AnswerLost
from .errors import ClientError as ClientError
from .errors import Conflict as Conflict
from .errors import Forbidden as Forbidden
from .errors import InvalidRequest as InvalidRequest
from .errors import NotFound as NotFound
from .errors import ProblemError as ProblemError
from .errors import TooManyRequests as TooManyRequests
from .errors import Unauthorized as Unauthorized
from .errors import Unavailable as Unavailable
from .errors import UnexpectedAnswer as UnexpectedAnswer
from .errors import Unreachable as Unreachable
from .errors import WaitExpired as WaitExpired
from .models.events import JobEvent as JobEvent
from .models.events import ProgressMade as ProgressMade
from .models.events import StateChanged as StateChanged
from .models.events import StreamReady as StreamReady
from .models.jobs import Job as Job
from .models.transcripts import Transcript as Transcript
from .models.webhooks import Delivery as Delivery
from .models.webhooks import Endpoint as Endpoint
from .protocol.retries import Retries as Retries
from .sync_client import Client as Client
from .version import __version__ as __version__
