"""What schemathesis cannot know: how a SET goes into a request."""
import schemathesis


@schemathesis.serializer("application/secevent+jwt")
def secevent(ctx, value):
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogatepass")
