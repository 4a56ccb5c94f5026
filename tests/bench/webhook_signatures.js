// Verifies each case of a file of JSON lines with the Java library of Standard Webhooks; prints yes or no a line.
var lines = java.nio.file.Files.newBufferedReader(java.nio.file.Paths.get(arguments[0]));
var answers = new java.lang.StringBuilder();
for (var line = lines.readLine(); line !== null; line = lines.readLine()) {
    var call = JSON.parse(line);
    var headers = new java.util.HashMap();
    for (var name in call.headers) headers.put(name, java.util.List.of(call.headers[name]));
    try {
        new Packages.com.standardwebhooks.Webhook(new java.lang.String(call.secret))["verify(java.lang.String,java.util.Map)"](
            call.body, headers);
        answers.append("yes\n");
    } catch (error) {
        if (!(error.javaException instanceof Packages.com.standardwebhooks.exceptions.WebhookVerificationException)) throw error;
        answers.append("no\n");
    }
}
java.lang.System.out.print(answers);
