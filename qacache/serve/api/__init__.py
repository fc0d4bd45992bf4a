"""The endpoints, a module for each subject: a request comes in with all there is to work with, a response goes out."""
