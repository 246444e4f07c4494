"""What is kept: answers, the journal of requests on their way, sums spent, and what machines share."""
